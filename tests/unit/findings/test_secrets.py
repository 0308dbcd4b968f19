"""What is a secret, by the name of its key or by its form, and what is none. All of them are made up."""

from __future__ import annotations

from typing import Any

import pytest

from kernelpod.findings.secrets import is_secret, names_secret, secrets_in, shown

NAMED = """
password DB_PASSWORD database_pass DATABASE_PASS passphrase user_password lookup_dn_search_password PGPASSWORD pwd
clientSecret client_secret secretToken cookieSecret SECRET_KEY_BASE DJANGO_SECRET_KEY webhookSecret
token API_TOKEN apiToken auth_token authtoken TOKEN_GITHUB GITHUB_PAT SLACK_BOT_TOKEN access_token
api_key apiKey apikey OPENAI_API_KEY access_key AWS_SECRET_ACCESS_KEY privateKey private_key AZURE_STORAGE_KEY
GOOGLE_CREDENTIALS credential .dockerconfigjson spark.hadoop.fs.s3a.secret.key cryptoKey SMTP_PW
"""
NOT_NAMED = """
TOKENIZERS_PARALLELISM tokenizer token_url tokenUrl secretName existingSecret imagePullSecrets pullSecret
publish_secret secretKeyRef password_file DB_PASSWORD_FILE client_secret_path AWS_ACCESS_KEY_ID token_expires_in
allow_tokens enable_auth_state automountServiceAccountToken max_tokens OPENAI_MAX_TOKENS password_min_length
PATH PATTERN compass bypass PASS_THROUGH proxy_pass key keys public_key labelKey secrets token_env monkey author
username image tag keyword turkey passenger cookie_name password_field NO_PASSWORD
"""


@pytest.mark.parametrize("name", NAMED.split())
def test_a_name_of_a_secret(name: str) -> None:
    assert names_secret(name)
    assert is_secret(name, "made-up-1")


@pytest.mark.parametrize("name", NOT_NAMED.split())
def test_a_name_that_is_only_about_a_secret(name: str) -> None:
    assert not names_secret(name)
    assert not is_secret(name, "made-up-1")


@pytest.mark.parametrize(
    "value",
    [
        *(
            "",
            " ",
            "true",
            "None",
            "$DB_PASSWORD",
            "${TOKEN}",
            "$(cat /x)",
            "{{ .Values.a }}",
            "{password}",
            "<token>",
        ),
        *("/run/secrets/db", "~/.token", "./key.pem", "optional"),
    ],
)
def test_a_value_that_is_no_secret_under_any_name(value: str) -> None:
    assert not is_secret("DB_PASSWORD", value)


SECRET_TEXTS = [
    "ghp_" + "0" * 36,
    "github_pat_" + "A" * 22,
    "glpat-" + "a" * 20,
    "xoxb-0123456789",
    "AKIAIOSFODNN7EXAMPLE",
    "hf_" + "a" * 30,
    "AIza" + "a" * 35,
    "eyJhbGciOiJIUz.eyJzdWIiOiIxMj",
    "-----BEGIN OPENSSH PRIVATE KEY-----\nx\n",
    "mysql+pymysql://hub:hunter2@db/hub",
    "redis://:hunter2@cache:6379",
    "curl https://me:hunter2@x.example/",
    "[default]\naws_secret_access_key = MadeUpMadeUp\n",
    "[db]\nuser = hub\npassword=x1\n",
    "db:\n  password: made-up-2\n",
    "- token: abc123 # of the robot\n",
    "'password': 'x'",
    '{"auths": {"r.example": {"auth": "cm9ib3Q6eA=="}}}',
    "machine x.example login a password made-up-3\n",
    "machine x.example\n  login a\n  password made-up-3\n",
    "default login a password b",
    "export DB_PASS=hunter2",
    "TOKEN=hunter2 start.sh",
    "start.sh --token=hunter2",
    "start.sh --password hunter2",
    "https://x.example/?access_token=abcdef",
    "Authorization: Bearer abcdef0123456789",
    "//registry.example/:_authToken=npm-made-up",
    "c.Hub.api_token = 'hunter2'",
    "import os\nos.environ['DB_PASSWORD'] = 'hunter2'\n",
    'def f():\n    return login(password="hunter2")\n',
    "users:\n- user:\n    client-key-data: LS0tLS1C\n",
]
OTHER_TEXTS = [
    "",
    "Python 3 (pod)",
    "https://x.example:8443/token?next=/",
    "git@x.example:group/project.git",
    "postgres://hub:$PASSWORD@db/hub",
    "postgres://hub:{password}@db/hub",
    "registry.example/team/token-server:1.2",
    "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
    "-----BEGIN CERTIFICATE-----\nMIIB\n",
    "-----BEGIN PUBLIC KEY-----\nMIIB\n",
    "[default]\nregion = eu-central-1\naws_access_key_id_file = /x\n",
    "password_file: /run/secrets/db\ntoken_url: https://x.example/t\n",
    "db:\n  password: ${DB_PASSWORD}\n",
    "secretKeyRef:\n  name: db\n  key: password\n",
    "password:\n  from_file: /run/secrets/db\n",
    "# Write the token into the form, then press Return.\n",
    "start.sh --token-file /run/t --no-password --password $(cat /run/p)",
    "--conf spark.executor.memoryOverheadFactor=0.1",
    "import os\n\ntoken = os.environ['TOKEN']\nc.Hub.api_token = token\n",
    "def refresh(token: str, password=None):\n    secret = get(token=token)\n    return secret == 'a'\n",
    "c.Hub.token_url = 'https://x.example/t'",
    "TOKEN=$(cat /run/token) start.sh",
    "token = get_token()",
    "cookie_secret = 'JPY_COOKIE_SECRET'",
    "machine learning with a password manager",
    "basic authentication of users",
]


@pytest.mark.parametrize("text", SECRET_TEXTS)
def test_a_form_of_a_secret(text: str) -> None:
    assert is_secret("", text)


@pytest.mark.parametrize("text", OTHER_TEXTS)
def test_a_form_that_is_none(text: str) -> None:
    assert not is_secret("", text)
    assert not is_secret("stringData", text)


TREES: list[tuple[Any, list[str]]] = [
    ({"hub": {"db": {"password": "x"}, "cookieSecret": "y"}}, ["hub.db.password", "hub.cookieSecret"]),
    ({"CryptKeeper": {"keys": ["a", "b"]}}, ["CryptKeeper.keys"]),
    ({"manual": {"key": "x", "cert": "y"}}, ["manual.key"]),
    ({"LTI": {"consumers": {"abc": "x"}}}, ["LTI.consumers.abc"]),
    ({"extraEnv": [{"name": "A", "value": "b"}, {"name": "A_TOKEN", "value": "x"}]}, ["extraEnv.1.value"]),
    ({"PASSWORD": 1234, "TOKEN": True, "SECRET": None, "tokens": []}, ["PASSWORD"]),
    ({"password": b"x", "api_token": {"y"}}, ["password", "api_token"]),
    ({"api_tokens": ["x", "y"], "secrets": ["name"]}, ["api_tokens"]),
    ({"JupyterHub": {"api_tokens": {"made-up": "alice"}}}, ["JupyterHub.api_tokens"]),
    ({"client_secret": {"from_file": "/run/x"}}, []),
    ({"cmd": ["cull", "--api-token", "x", "--url", "y", "--password", "--token-file", "z"]}, ["cmd.2"]),
    ({"secret": {"name": "tls", "key": "tls.key"}}, []),
    (
        {"extraConfig": {"token": "import os\n", "login": "password = 'x'", "a": "token = t"}},
        ["extraConfig.login"],
    ),
    ({"token.py": "import os\n\nprint(os.environ)\n"}, []),
    ({"A": "Zm9vYmFy0123QmF6UXV4Zm9vYmFy", "image": "Zm9vYmFy0123QmF6UXV4Zm9vYmFy"}, ["A"]),
]


@pytest.mark.parametrize(("tree", "found"), TREES)
def test_where_secrets_are(tree: Any, found: list[str]) -> None:
    assert [shown(keys) for keys in secrets_in(tree)] == found


def test_a_key_that_is_a_secret_is_not_shown() -> None:
    assert shown(("hub", "api_tokens", "made-up")) == "hub.api_tokens...."
    assert shown(("a", "ghp_" + "0" * 36, 1)) == "a.....1"


@pytest.mark.parametrize("text", ["eyJ" * 300_000, "eyJ-aaaaaaaaaa" * 60_000])
def test_a_long_text_takes_no_quadratic_time(text: str) -> None:
    assert list(secrets_in({"data": text})) == []
