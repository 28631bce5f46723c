# For a Python project with pyproject.toml or requirements.txt: installed into a virtual environment, then main.py,
# app.py or manage.py is run.
FROM python:3.13-slim AS build
RUN python -m venv /venv
ENV PATH=/venv/bin:$PATH PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /app
COPY . .
RUN if [ -f requirements.txt ]; then pip install -r requirements.txt; else pip install .; fi

FROM python:3.13-slim
RUN useradd --system --create-home app
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PORT=8000
COPY --from=build /venv /venv
WORKDIR /app
COPY --from=build --chown=app:app /app ./
USER app
EXPOSE 8000
CMD ["sh", "-c", "if [ -f main.py ]; then exec python main.py; elif [ -f app.py ]; then exec python app.py; elif [ -f manage.py ]; then exec python manage.py runserver 0.0.0.0:$PORT; else echo 'no main.py, app.py or manage.py: write a Dockerfile' >&2; exit 1; fi"]
