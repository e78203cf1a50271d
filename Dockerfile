# neurocompile with its front ends, training and all engines; see docs/install.md.
# Torch comes from an index of CPU builds where one is given:
#   docker build --build-arg PIP_EXTRA_INDEX_URL=https://... --tag neurocompile .
FROM python:3.11-slim-bookworm

ARG PIP_EXTRA_INDEX_URL=""
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_CONSTRAINT=/source/neurocompile/pins.txt

WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY neurocompile neurocompile
COPY targets targets
RUN PIP_EXTRA_INDEX_URL="$PIP_EXTRA_INDEX_URL" pip install '.[train]' \
    && neurocompile doctor --install train --yes \
    && neurocompile doctor --install lava --yes

# The kernels of the fixed engine are compiled once per user, into the folder below.
RUN useradd --create-home user
USER user
ENV XDG_CACHE_HOME=/home/user/.cache
WORKDIR /work
ENTRYPOINT ["neurocompile"]
CMD ["--help"]
