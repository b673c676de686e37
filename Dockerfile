FROM python:3.13-slim AS build
WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY tsvec tsvec
RUN python -m venv /opt/tsvec \
 && /opt/tsvec/bin/pip install --no-cache-dir --constraint constraints.txt --upgrade pip \
 && /opt/tsvec/bin/pip install --no-cache-dir --constraint constraints.txt \
    --build-constraint constraints.txt .

FROM python:3.13-slim
RUN useradd --system --uid 10001 tsvec && install --directory --owner=tsvec --group=tsvec /data
COPY --from=build /opt/tsvec /opt/tsvec
USER tsvec
VOLUME /data
EXPOSE 8710
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s CMD ["/opt/tsvec/bin/python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8710/health', timeout=4)"]
ENTRYPOINT ["/opt/tsvec/bin/tsvec"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8710", "--data", "/data"]
