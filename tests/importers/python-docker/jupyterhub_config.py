c.JupyterHub.spawner_class = "dockerspawner.DockerSpawner"
c.DockerSpawner.image = "registry.example/lab:2026"
c.DockerSpawner.notebook_dir = "/home/jovyan/work"
c.DockerSpawner.volumes = {
    "/srv/homes/{username}": "/home/jovyan/work",
    "/srv/data": {"bind": "/data", "mode": "ro"},
}
c.Authenticator.allowed_users = {"ada", "bob"}
