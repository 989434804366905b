# A digest pins the base: --build-arg BASE=python:3.13-slim-trixie@sha256:...
ARG BASE=python:3.13-slim-trixie

FROM ${BASE} AS build
# Which of requirements/*.txt: `onnx` adds the runtime of ONNX models, 28 MB of the pull.
ARG REQUIREMENTS=image
WORKDIR /app
# pip installs from outside, so that none of it is left in the environment.
RUN python -m venv --without-pip /opt/venv
COPY requirements/${REQUIREMENTS}.txt requirements.txt
# Fargate bills from the pull: the libraries' own tests are a tenth of the image.
RUN pip --python /opt/venv/bin/python install --no-cache-dir \
      --no-deps --require-hashes --only-binary :all: -r requirements.txt \
    && find /opt/venv/lib -type d -name tests -prune -exec rm -rf {} +
COPY worker/ worker/
RUN python -m compileall -q worker

FROM ${BASE}
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
WORKDIR /app
COPY --from=build /opt/venv /opt/venv
COPY --from=build /app/worker worker
# On Fargate a mounted volume is root's alone unless the image declares it: then it keeps the image's permissions.
VOLUME ["/tmp"]
# A number, so that "not root" can be checked without looking into the image.
USER 65532:65532
ENTRYPOINT ["python", "-m", "worker"]
