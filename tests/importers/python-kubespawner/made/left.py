# What `kernelpod import` of jupyterhub_config.py did not evaluate.
import os
c = get_config()
namespace = "hub"
admins = ["ada"]
c.GenericOAuthenticator.client_id = os.environ["CLIENT_ID"]
def before(spawner):
    spawner.environment["USER_NAME"] = spawner.user.name
c.Spawner.pre_spawn_hook = before
