# An image with all programs and certificate authorities, and nothing else, not even a shell.
# `make dist` makes the files.
#
#     make dist && docker build -t callpipe .
#     docker run --rm -i callpipe cdr-filter '.duration > 60000' < calls.ndjson
FROM scratch
ARG TARGETARCH
COPY dist/image/${TARGETARCH}/ /
COPY --chown=65532:65532 dist/image/data/ /data/
ENV PATH=/usr/bin
USER 65532:65532
WORKDIR /data
CMD ["callpipe", "--help"]
