"""Runs a library inside Python, and prints how long its work took, without the start of Python.

  hosted.py jq EXPR FILE            jq's own library, which gets blocks of lines
  hosted.py duckdb WHERE FILE N     DuckDB with N threads on lines as raw objects
  hosted.py libdeflate ZIP...       inflates each member as a whole and compares its checksum
"""
import json
import os
import sys
import time


def jq(expr, path):
    import jq as library

    program = library.compile(f"select({expr}) | 1")
    kept, rest = 0, b""
    began = time.monotonic()
    with open(path, "rb") as file:
        while block := file.read(1 << 22):
            lines, _, after = (rest + block).rpartition(b"\n")
            rest = after
            kept += sum(1 for _ in program.input_text(lines.decode()))
    return began, kept


def duckdb(where, path, threads):
    import duckdb as library

    connection = library.connect(config={"threads": int(threads)})
    began = time.monotonic()
    reader = f"read_ndjson_objects('{path}', maximum_object_size=268435456)"
    connection.execute(f"COPY (SELECT json FROM {reader} WHERE {where}) TO '/dev/null' (FORMAT csv, HEADER false, QUOTE '', ESCAPE '', DELIMITER '\x01')")
    return began, 0


def libdeflate(*paths):
    import zipfile

    import deflate

    total, out = 0, os.open("/dev/null", os.O_WRONLY)
    began = time.monotonic()
    for path in paths:
        archive, fd = zipfile.ZipFile(path), os.open(path, os.O_RDONLY)
        for member in archive.infolist():
            head = os.pread(fd, 30, member.header_offset)
            start = member.header_offset + 30 + int.from_bytes(head[26:28], "little") + int.from_bytes(head[28:30], "little")
            data = deflate.deflate_decompress(os.pread(fd, member.compress_size, start), member.file_size)
            assert deflate.crc32(data) == member.CRC
            total += os.write(out, data)
    return began, total


began, _ = globals()[sys.argv[1]](*sys.argv[2:])
print(json.dumps({"wall": time.monotonic() - began}))
