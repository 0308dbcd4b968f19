import os

c = get_config()  # noqa: F821

namespace = "hub"
admins = ["ada"]
c.JupyterHub.spawner_class = "kubespawner.KubeSpawner"
c.KubeSpawner.image = f"registry.example/{namespace}/lab:2026"
c.KubeSpawner.volumes = [{"name": "homes", "nfs": {"server": "nfs.example.org", "path": "/export"}}]
c.KubeSpawner.volume_mounts = [{"name": "homes", "mountPath": "/home/jovyan", "subPath": "homes/{username}"}]
c.KubeSpawner.mem_limit = "2G"
c.Authenticator.admin_users = admins
c.Authenticator.allowed_users = ["ada", "bob"]
c.GenericOAuthenticator.client_id = os.environ["CLIENT_ID"]


def before(spawner):
    spawner.environment["USER_NAME"] = spawner.user.name


c.Spawner.pre_spawn_hook = before
