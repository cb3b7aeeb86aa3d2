"""Every setting, in one file. Whatever differs between installations comes from the environment, through env.py.

docs/operations.md explains each variable; a test compares the two.
"""

from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import structlog
from csp.constants import NONE, SELF

from config import env

BASE_DIR = env.BASE_DIR
VAR_DIR = env.var_dir()

SECRET_KEY = env.text("SECRET_KEY")
DEBUG = env.flag("DEBUG", default=False)
ALLOWED_HOSTS = env.words("ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]")
PUBLIC_URL = env.text("PUBLIC_URL", "http://localhost:8000").rstrip("/")
HTTPS = PUBLIC_URL.startswith("https://")

# --- What the product is set to ------------------------------------------------------------------------------------

# Key of the audit draw: whoever knows it can foretell which automatic approvals are looked at.
COUNTERSIGN_AUDIT_KEY = env.text("COUNTERSIGN_AUDIT_KEY")
# Webhooks to this machine: for development and the demo only.
ALLOW_LOOPBACK_WEBHOOKS = env.flag("ALLOW_LOOPBACK_WEBHOOKS", default=False)
# A receiver has so long for its whole answer, however slowly it sends it.
WEBHOOK_TIMEOUT_SECONDS = env.number("WEBHOOK_TIMEOUT_SECONDS", "15")
# A verdict sooner than this after its ticket was shown is refused. Below the page's own 0.4 s.
MIN_SECONDS_BEFORE_VERDICT = env.number("MIN_SECONDS_BEFORE_VERDICT", "0.3")
# Evidence that nobody has assessed for so long supports no automatic approval.
EVIDENCE_MAX_AGE_SECONDS = env.whole("EVIDENCE_MAX_AGE_SECONDS", 600, least=1)
# A claim lasts so long without a heartbeat of its page, and so long at most with them.
CLAIM_LEASE_SECONDS = env.whole("CLAIM_LEASE_SECONDS", 300, least=1)
CLAIM_MAX_SECONDS = env.whole("CLAIM_MAX_SECONDS", 1800, least=1)
# Publishing a policy takes a second admin.
POLICY_TWO_ADMINS = env.flag("POLICY_TWO_ADMINS", default=False)
# Permits are signed with the first key of this file, which is made by `manage.py up` and by rotate_permit_key.
PERMIT_KEY_FILE = Path(env.text("PERMIT_KEY_FILE", str(VAR_DIR / "keys" / "permits.json")))
# Checkpoints of the audit log are signed with the first key of this file, made likewise and by rotate_log_key, under
# this name (by default PUBLIC_URL's host), and kept outside the database in this file ("-": on standard output only).
LOG_KEY_FILE = Path(env.text("LOG_KEY_FILE", str(VAR_DIR / "keys" / "log.json")))
LOG_NAME = env.text("LOG_NAME", f"{urlsplit(PUBLIC_URL).netloc}/log")
LOG_ANCHOR_FILE = env.path("LOG_ANCHOR_FILE", VAR_DIR / "log.checkpoints")
# Nobody gets past the log-in without a second factor. Off in the embedded first run.
REQUIRE_OTP = env.flag("REQUIRE_OTP", default=False)

# --- Django --------------------------------------------------------------------------------------------------------

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "django_htmx",
    "template_partials",
    "simple_history",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "config.apps.LogIns",
    "csp",
    "django_otp",
    "config.apps.Authenticators",
    "config.apps.RecoveryCodes",
    "django_structlog",
    "config.apps.ConfigConfig",
    "policies",
    "reviews",
    "feedback",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django_structlog.middlewares.RequestMiddleware",
    "config.rest.ProblemMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "config.sessions.SessionLimits",
    "django_otp.middleware.OTPMiddleware",
    "config.accounts.SecondFactor",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "csp.middleware.CSPMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "simple_history.middleware.HistoryRequestMiddleware",
    "axes.middleware.AxesMiddleware",
]
# What a request with an API key passes through (config/wsgi.py). Django logs its errors; what it did is in our own log.
KEYED_MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "config.rest.ProblemMiddleware",
    "django.middleware.common.CommonMiddleware",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Database: the application role in `default`, the migrating role in `owner` -------------------------------------

# With 0, each thread keeps a connection of its own; the web processes share a pool of so many.
DATABASE_POOL_SIZE = env.whole("DATABASE_POOL_SIZE", 0)
DATABASE_STATEMENT_TIMEOUT_MS = env.whole("DATABASE_STATEMENT_TIMEOUT_MS", 5_000)


def database(parts: dict[str, str], *, statement_timeout_ms: int, pool_size: int) -> dict[str, Any]:
    limits = {
        "statement_timeout": statement_timeout_ms,
        "idle_in_transaction_session_timeout": 30_000,
        "synchronous_commit": "on",
    }
    names = {"NAME": "dbname", "USER": "user", "PASSWORD": "password", "HOST": "host", "PORT": "port"}
    return {
        "ENGINE": "config.postgres",
        # A server that can't be heard keeps nobody's time; its own limit comes first where it can.
        "PATIENCE_SECONDS": statement_timeout_ms / 1000 + 2 if statement_timeout_ms else None,
        **{setting: parts.get(part, "") for setting, part in names.items()},
        "CONN_MAX_AGE": 0 if pool_size else 60,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {
            **{part: value for part, value in parts.items() if part not in names.values()},
            "application_name": "countersign",
            "connect_timeout": 5,
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": 15_000,
            "server_side_binding": True,
            # Prepared are the statements that ask for it, those of the hot paths; without a threshold none would be.
            "prepare_threshold": 1_000_000,
            "options": " ".join([parts.get("options", ""), *(f"-c {key}={value}" for key, value in limits.items())]),
            **({"pool": {"min_size": 1, "max_size": pool_size, "timeout": 3}} if pool_size else {}),
        },
    }


DATABASES = {
    "default": database(
        env.database("DATABASE_URL"), statement_timeout_ms=DATABASE_STATEMENT_TIMEOUT_MS, pool_size=DATABASE_POOL_SIZE
    ),
}
# Only what migrates needs the owner; web, worker and sweeper are better off without its password.
if env.given("DATABASE_OWNER_URL"):
    DATABASES["owner"] = database(env.database("DATABASE_OWNER_URL"), statement_timeout_ms=0, pool_size=0)

CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}

# --- Celery: bells, never the only copy of anything ----------------------------------------------------------------

CELERY_BROKER_URL = env.text("REDIS_URL")
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "socket_timeout": 1,
    "socket_connect_timeout": 1,
    "max_retries": 0,
    "visibility_timeout": 3600,
}
CELERY_TASK_PUBLISH_RETRY = False
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_DEFAULT_QUEUE = "countersign"
CELERY_TIMEZONE = "UTC"

# --- People: log-in, sessions, cookies -----------------------------------------------------------------------------

AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "config.accounts.WithRoles"]
# Memory-hard, in the standard library, and a tenth of a second instead of half of one.
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.ScryptPasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "login"

AXES_HANDLER = "axes.handlers.database.AxesDatabaseHandler"
AXES_FAILURE_LIMIT = 10
AXES_COOLOFF_TIME = timedelta(minutes=15)
# By name and address together: nobody locks a colleague out from elsewhere, nor a whole office with one bad name.
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_LOCKOUT_TEMPLATE = "registration/locked_out.html"
AXES_VERBOSE = False

OTP_TOTP_ISSUER = "Countersign"
OTP_ADMIN_HIDE_SENSITIVE_DATA = True

# Log-in by an OpenID Connect provider, beside passwords: where this is set, and requirements/oidc.txt is installed.
OIDC_CLIENT_ID = env.text("OIDC_CLIENT_ID", "")
if OIDC_CLIENT_ID:
    INSTALLED_APPS.append("mozilla_django_oidc")
    AUTHENTICATION_BACKENDS.append("config.oidc.Provider")
    OIDC_ISSUER = env.text("OIDC_ISSUER")
    OIDC_GROUPS_CLAIM = env.text("OIDC_GROUPS_CLAIM", "groups")
    OIDC_RP_CLIENT_ID = OIDC_CLIENT_ID
    OIDC_RP_CLIENT_SECRET = env.text("OIDC_CLIENT_SECRET")
    OIDC_RP_SIGN_ALGO = env.text("OIDC_SIGN_ALGORITHM", "RS256")
    OIDC_RP_SCOPES = env.text("OIDC_SCOPES", "openid email profile")
    OIDC_OP_AUTHORIZATION_ENDPOINT = env.text("OIDC_AUTHORIZATION_URL")
    OIDC_OP_TOKEN_ENDPOINT = env.text("OIDC_TOKEN_URL")
    OIDC_OP_USER_ENDPOINT = env.text("OIDC_USERINFO_URL")
    OIDC_OP_JWKS_ENDPOINT = env.text("OIDC_JWKS_URL")
    OIDC_USE_PKCE = True
    OIDC_TIMEOUT = 5
    LOGIN_REDIRECT_URL_FAILURE = "/login/"

SESSION_IDLE_SECONDS = env.whole("SESSION_IDLE_SECONDS", 30 * 60, least=60)
SESSION_COOKIE_AGE = env.whole("SESSION_MAX_SECONDS", 12 * 60 * 60, least=60)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]
SECURE_SSL_REDIRECT = HTTPS and env.flag("HTTPS_REDIRECT", default=True)
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^metrics$"]
SECURE_HSTS_SECONDS = env.whole("HSTS_SECONDS", 31_536_000) if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
SECURE_REFERRER_POLICY = "same-origin"
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if env.flag("BEHIND_PROXY", default=False) else None
X_FRAME_OPTIONS = "DENY"

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    },
}

# --- API -----------------------------------------------------------------------------------------------------------

DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024
API_MAX_BODY_BYTES = 1024 * 1024
BATCH_MAX_BODY_BYTES = 64 * 1024 * 1024
REST_FRAMEWORK = {
    # Deny by default: what names no permission of its own is for people who are logged in, and for no key.
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "reviews.api.authentication.BearerKey",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_THROTTLE_CLASSES": ["reviews.api.throttling.KeyRate"],
    "DEFAULT_PARSER_CLASSES": ["config.rest.StrictJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["config.rest.JSONRenderer"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "config.rest.JSONOnly",
    "DEFAULT_METADATA_CLASS": None,
    "DEFAULT_SCHEMA_CLASS": "config.openapi.Schema",
    "EXCEPTION_HANDLER": "config.rest.problem_for",
    "URL_FORMAT_OVERRIDE": None,
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Countersign",
    "DESCRIPTION": "Submit what an AI proposes; receive the binding answer, from the policy or from a person.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_AUTHENTICATION": [],
    "SCHEMA_PATH_PREFIX": "/api/v1",
    # Choices stand where they are used, and get no names of their own.
    "POSTPROCESSING_HOOKS": [],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
}

# --- E-mail: what people are told by channels -----------------------------------------------------------------------

MAIL = env.mail("EMAIL_URL")
EMAIL_BACKEND = MAIL["EMAIL_BACKEND"]
EMAIL_FILE_PATH = MAIL.get("EMAIL_FILE_PATH")
EMAIL_HOST, EMAIL_PORT = MAIL.get("EMAIL_HOST", ""), MAIL.get("EMAIL_PORT", 0)
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = MAIL.get("EMAIL_HOST_USER", ""), MAIL.get("EMAIL_HOST_PASSWORD", "")
EMAIL_USE_SSL, EMAIL_USE_TLS = MAIL.get("EMAIL_USE_SSL", False), MAIL.get("EMAIL_USE_TLS", False)
EMAIL_TIMEOUT = WEBHOOK_TIMEOUT_SECONDS
DEFAULT_FROM_EMAIL = env.text("EMAIL_FROM", f"Countersign <countersign@{urlsplit(PUBLIC_URL).hostname}>")

# --- Static files --------------------------------------------------------------------------------------------------

STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
# The image collects and hashes them; a run from the checkout serves them where they lie.
STATIC_HASHED = env.flag("STATIC_HASHED", default=False)
STATIC_ROOT = BASE_DIR / "staticfiles" if STATIC_HASHED else None
WHITENOISE_USE_FINDERS = not STATIC_HASHED
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
        if STATIC_HASHED
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}

# Processes and threads of the web server, and threads of the worker, as `manage.py up` starts them.
WEB_WORKERS = env.whole("WEB_WORKERS", 1, least=1)
WEB_THREADS = env.whole("WEB_THREADS", 8, least=1)
WORKER_THREADS = env.whole("WORKER_THREADS", 2, least=1)
METRICS_TOKEN = env.text("METRICS_TOKEN", "")

# --- Logs: one JSON object a line, on standard output --------------------------------------------------------------

LOG_LEVEL = env.text("LOG_LEVEL", "INFO").upper()
LOG_PROCESSORS: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.format_exc_info,
]
structlog.configure(
    processors=[
        structlog.stdlib.filter_by_level,
        *LOG_PROCESSORS,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
    ],
    logger_factory=structlog.stdlib.LoggerFactory(),
    cache_logger_on_first_use=True,
)
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "json": {
            "()": structlog.stdlib.ProcessorFormatter,
            "processor": structlog.processors.JSONRenderer(),
            "foreign_pre_chain": LOG_PROCESSORS,
        }
    },
    "handlers": {"out": {"class": "logging.StreamHandler", "stream": "ext://sys.stdout", "formatter": "json"}},
    "root": {"handlers": ["out"], "level": LOG_LEVEL},
    "loggers": {
        "django": {"handlers": [], "propagate": True},
        "django.server": {"handlers": [], "propagate": True},
    },
}
# The start of a request is worth a line only to someone who debugs; its end says everything.
DJANGO_STRUCTLOG_STATUS_START_LOG_LEVEL = 10
DJANGO_STRUCTLOG_IP_LOGGING_ENABLED = False
