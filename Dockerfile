# docker build -t mindpoint .
# docker run --rm -v "$PWD":/work mindpoint train quickstart
FROM python:3.11-slim

# The compiler is for the C++ kernels, which are built at first use.
RUN apt-get update && apt-get install -y --no-install-recommends g++ && rm -rf /var/lib/apt/lists/*
RUN useradd --create-home --uid 1000 mindpoint && mkdir /work && chown mindpoint /work

WORKDIR /src
COPY . .
RUN pip install --no-cache-dir ".[mindspore]"

USER mindpoint
WORKDIR /work
ENTRYPOINT ["mindpoint"]
