"""Converts `auth.*`, which Zero to JupyterHub removed in 0.11.0, to `hub.config`."""

from __future__ import annotations

import re
from typing import Any

from kernelpod.findings.yamlfile import Keys
from kernelpod.importers.hub.chartkeys import RENAMED
from kernelpod.importers.moves import Values, keys_of
from kernelpod.importers.version import is_before

# The chart's first version with OAuthenticator 16.
_ANY_IS_ENOUGH = (3, 0)
_OAUTH = {"clientId": "client_id", "clientSecret": "client_secret", "callbackUrl": "oauth_callback_url"}
# By auth.type: the value of authenticator_class, and the name of the class.
_TYPES: dict[str, tuple[str, str]] = {
    "azuread": ("azuread", "AzureAdOAuthenticator"),
    "cilogon": ("cilogon", "CILogonOAuthenticator"),
    "dummy": ("dummy", "DummyAuthenticator"),
    "github": ("github", "GitHubOAuthenticator"),
    "gitlab": ("gitlab", "GitLabOAuthenticator"),
    "globus": ("globus", "GlobusOAuthenticator"),
    "google": ("google", "GoogleOAuthenticator"),
    "ldap": ("ldapauthenticator.LDAPAuthenticator", "LDAPAuthenticator"),
    "lti": ("ltiauthenticator.lti11.auth.LTI11Authenticator", "LTI11Authenticator"),
    "mediawiki": ("mediawiki", "MWOAuthenticator"),
    "tmp": ("tmpauthenticator.TmpAuthenticator", "TmpAuthenticator"),
}
# By key below auth.<type>: the trait of the class.
_TRAITS: dict[str, dict[str, str]] = {
    "azuread": {**_OAUTH, "tenantId": "tenant_id", "usernameClaim": "username_claim"},
    "cilogon": _OAUTH,
    "dummy": {"password": "password"},
    "github": {**_OAUTH, "orgWhitelist": "allowed_organizations", "allowedOrganizations": "allowed_organizations"},
    "gitlab": {
        **_OAUTH,
        "gitlabUrl": "gitlab_url",
        "gitlabGroupWhitelist": "allowed_gitlab_groups",
        "allowedGitlabGroups": "allowed_gitlab_groups",
        "gitlabProjectIdWhitelist": "allowed_project_ids",
        "allowedProjectIds": "allowed_project_ids",
    },
    "globus": {**_OAUTH, "identityProvider": "identity_provider"},
    "google": {**_OAUTH, "hostedDomain": "hosted_domain", "loginService": "login_service"},
    "ldap": {
        "server.address": "server_address",
        "server.port": "server_port",
        "server.ssl": "use_ssl",
        "allowedGroups": "allowed_groups",
        "dn.templates": "bind_dn_template",
        "dn.lookup": "lookup_dn",
        "dn.search.filter": "lookup_dn_search_filter",
        "dn.search.user": "lookup_dn_search_user",
        "dn.search.password": "lookup_dn_search_password",
        "dn.user.dnAttribute": "lookup_dn_user_dn_attribute",
        "dn.user.escape": "escape_userdn",
        "dn.user.validRegex": "valid_username_regex",
        "dn.user.searchBase": "user_search_base",
        "dn.user.attribute": "user_attribute",
        "dn.user.useLookupName": "use_lookup_dn_username",
    },
    "lti": {"consumers": "consumers"},
    "mediawiki": {**_OAUTH, "indexUrl": "index_url"},
}
# What an authenticator calls a list or a condition of users who can log in, or of those who cannot.
_NARROWS = re.compile(
    r"allow|white|black|block|group|domain|organi[sz]ation|team|idp|provider|tenant|filter", re.IGNORECASE
)
# Traits of authenticators by their former names.
_FORMER = {
    "whitelist": "allowed_users",
    "blacklist": "blocked_users",
    "github_organization_whitelist": "allowed_organizations",
    "gitlab_group_whitelist": "allowed_gitlab_groups",
    "gitlab_project_id_whitelist": "allowed_project_ids",
    "google_group_whitelist": "allowed_google_groups",
    "bitbucket_team_whitelist": "allowed_teams",
    "group_whitelist": "allowed_groups",
}
_LTI_NAMES = (
    "users of Canvas were named by custom_canvas_user_id, and others by user_id, and now by what "
    "LTI11Authenticator.username_key says: set it in hub.config"
)
_FOR_ALL = {
    "scopes": "OAuthenticator.scope",
    "state.enabled": "Authenticator.enable_auth_state",
    "admin.access": "JupyterHub.admin_access",
    "admin.users": "Authenticator.admin_users",
    # The chart never had the keys with allowlist and blocklist, but people wrote them.
    "whitelist.users": "Authenticator.allowed_users",
    "allowlist.users": "Authenticator.allowed_users",
    "allowedUsers": "Authenticator.allowed_users",
    "blacklist.users": "Authenticator.blocked_users",
    "blocklist.users": "Authenticator.blocked_users",
}


def move_renamed(values: Values) -> None:
    """Move what has another name now, also the lists of users of each class of authenticators."""
    for old, new in RENAMED.items():
        _move(values, old, new)
    for name in [name for name in values.section("hub.config") if name.endswith("Authenticator")]:
        for trait, now in _FORMER.items():
            _move(values, ("hub", "config", name, trait), ("hub", "config", name, now))


def _move(values: Values, old: str | Keys, new: str | Keys) -> None:
    """Move a value; of two lists of blocked users, both count."""
    here, there = values.get(old), values.get(new)
    if there is None or here is None or not str(keys_of(new)[-1]).startswith("blocked"):
        values.move(old, new)
    elif isinstance(here, list) and isinstance(there, list):
        values.drop(
            old, f"its users are in {'.'.join(map(str, keys_of(new)))} now, with those that are there", "changed"
        )
        there.extend(here)
    else:
        values.ask("everybody", old, "there are two lists of blocked users, and one of them is no list")
        values.move(old, new)


def move_auth(values: Values, version: str) -> None:
    """Move `auth` to `hub.config`; report keys without a new place as dropped. `version` is the old chart's."""
    is_old = values.has("auth") or is_before(version, _ANY_IS_ENOUGH) is True
    if values.has("auth"):
        kind = values.get("auth.type")
        _type(values)
        for old, trait in _FOR_ALL.items():
            _move(values, f"auth.{old}", f"hub.config.{trait}")
        if key := values.pop("auth.state.cryptoKey"):
            values.put("hub.config.CryptKeeper.keys", [key], "auth.state.cryptoKey")
            values.note("auth.state.cryptoKey", "changed", "it is hub.config.CryptKeeper.keys now")
        for name, traits in _TRAITS.items():
            for old, trait in traits.items():
                values.move(f"auth.{name}.{old}", f"hub.config.{_TYPES[name][1]}.{trait}")
        for keys in _leaves(("auth",), values.pop("auth")):
            if kind in (None, "custom", keys[1]) and _NARROWS.search(".".join(map(str, keys[2:]))):
                values.ask("everybody", keys, "it may say who can log in, and what replaces it is not known")
            values.note(keys, "dropped", "the chart no longer has auth; set what replaces this in hub.config")
    if is_old:
        _ask_of_two_lists(values)
    classes = [one for name, one in values.section("hub.config").items() if name.endswith("Authenticator")]
    named = {trait for one in classes if isinstance(one, dict) for trait in one}
    if not any(trait.startswith("allow") for trait in named):
        values.note(
            "hub.config", "warning", "since JupyterHub 5 no user can log in without allowed_users or allow_all"
        )


def _ask_of_two_lists(values: Values) -> None:
    """Ask about classes of OAuthenticator where users had to be in a list and in an organization or a group."""
    config = values.section("hub.config")
    for name, section in config.items():
        if not name.endswith("OAuthenticator") or not isinstance(section, dict):
            continue
        everywhere = config.get("Authenticator")
        users = section.get("allowed_users") or (isinstance(everywhere, dict) and everywhere.get("allowed_users"))
        others = [trait for trait in section if trait.startswith("allowed_") and trait != "allowed_users"]
        if users and (asked := next((trait for trait in others if section[trait]), "")):
            why = (
                f"users had to be in allowed_users and in {asked}; since chart 3.0 one of them is enough. "
                "Keep the narrower one"
            )
            values.ask("everybody", ("hub", "config", name, asked), why)


def _type(values: Values) -> None:
    kind = values.get("auth.type")
    if kind == "custom":
        name = values.get("auth.custom.className")
        if isinstance(name, str) and name:
            values.drop("auth.type", "hub.config.JupyterHub.authenticator_class is that of auth.custom", "changed")
            values.move("auth.custom.className", "hub.config.JupyterHub.authenticator_class")
            values.move("auth.custom.config", ("hub", "config", name.rpartition(".")[2]))
    elif isinstance(kind, str) and kind in _TYPES:
        values.pop("auth.type")
        if kind == "lti" and not values.has("hub.config.LTI11Authenticator.username_key"):
            values.ask("homes-move", "auth.type", _LTI_NAMES)
        values.put("hub.config.JupyterHub.authenticator_class", _TYPES[kind][0], "auth.type")
        values.note("auth.type", "changed", f"hub.config.JupyterHub.authenticator_class is {_TYPES[kind][0]}")


def _leaves(keys: Keys, value: Any) -> list[Keys]:
    if isinstance(value, dict):
        return [leaf for key, inner in value.items() for leaf in _leaves((*keys, key), inner)]
    return [] if value is None else [keys]
