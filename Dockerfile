# A digest pins the base: --build-arg BASE=python:3.13-slim-trixie@sha256:...
ARG BASE=python:3.13-slim-trixie

FROM ${BASE} AS build
# Which of requirements/*.txt: `onnx` adds the runtime of ONNX models, 28 MB of the pull.
ARG REQUIREMENTS=image
WORKDIR /app
# pip installs from outside, so that none of it is left in the environment.
RUN python -m venv --without-pip /opt/venv
COPY requirements/${REQUIREMENTS}.txt requirements.txt
RUN pip --python /opt/venv/bin/python install --no-cache-dir --no-compile \
      --no-deps --require-hashes --only-binary :all: -r requirements.txt
# Fargate bills from the pull, and a fifth of it would be what no worker uses: tests, what compilers read,
# the parts of Arrow that speak to networks (it is made to miss them), copies of one library, and all AWS
# services but these. A predictor may need more: --build-arg SERVICES='s3|sqs|sts|sso|sso-oidc|dynamodb'.
ARG SERVICES=s3|sqs|sts|sso|sso-oidc
RUN find /opt/venv/lib \( -type d \( -name tests -o -name include \) \
      -o -name '*.pyi' -o -name '*.px[di]' -o -name '*.pyx' -o -name '*.h' -o -name '*.cpp' -o -name '*.[ac]' \
      -o -path '*/pyarrow/*flight*' -o -path '*/pyarrow/*s3*' \
      -o -path '*/pyarrow/libarrow_python*.so' -o -path '*/pyarrow/lib*.so.*.*' \
      \) -prune -exec rm -rf {} + \
    && find /opt/venv/lib -regextype posix-extended -path '*/botocore/data/*' -prune \
      -type d ! -regex ".*/(${SERVICES})" -exec rm -rf {} +
COPY worker/ worker/
# By hash: the builder may round a source's time on its way, and bytecode of another time is not used.
RUN python -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/venv/lib worker

FROM ${BASE}
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
# The base comes without bytecode: each process of each worker would compile the standard library anew.
RUN python -m compileall -q --invalidation-mode unchecked-hash -x '/(test|idlelib|tkinter|turtledemo|pydoc_data|ensurepip|site-packages|dist-packages)/' \
      "$(python -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')"
WORKDIR /app
COPY --from=build /opt/venv /opt/venv
COPY --from=build /app/worker worker
# LightGBM expects the system's OpenMP, which the base lacks. scikit-learn brings one: it serves both.
RUN ln -sf /opt/venv/lib/python3*/site-packages/scikit_learn.libs/libgomp-*.so.* /usr/lib/libgomp.so.1
# On Fargate a mounted volume is root's alone unless the image declares it: then it keeps the image's permissions.
VOLUME ["/tmp"]
# A number, so that "not root" can be checked without looking into the image.
USER 65532:65532
ENTRYPOINT ["python", "-m", "worker"]
