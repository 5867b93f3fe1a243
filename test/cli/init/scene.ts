// A home for `init`, with an Ollama that it finds.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import type { TestContext } from 'node:test'

import { initCommand, type InitFlags } from '../../../src/cli/init.ts'
import type { RunProgram } from '../../../src/systemd/programs.ts'
import { recordedIo } from '../../support/command-io.ts'
import { scratchDirectory } from '../../support/config-file.ts'
import { freePort } from '../../support/free-port.ts'
import { startUpstream } from '../../support/scripted-upstream.ts'
import { json } from '../../support/upstream-script.ts'

export const cloudKey = 'sk-of-a-cloud-0123456789abcdef'

/** As Ollama lists its models. */
const ollamaList = (...names: readonly string[]) =>
  json(200, {
    object: 'list',
    data: names.map((id) => ({ id, object: 'model', created: 1, owned_by: 'library' })),
  })

const answer = json(200, {
  id: 'chatcmpl-1',
  object: 'chat.completion',
  created: 1,
  model: 'qwen3:8b',
  choices: [{ index: 0, message: { role: 'assistant', content: 'hello' }, finish_reason: 'stop' }],
  usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
})

export const noManager: RunProgram = () => ({ status: undefined, stdout: '', stderr: 'not here' })

/** @param models what the Ollama lists. */
export async function scene(
  t: TestContext,
  models: readonly string[] = ['nomic-embed-text:latest', 'qwen3:8b'],
) {
  const home = scratchDirectory(t)
  const ollama = await startUpstream(t)
  ollama.respondAlways(({ target }) => (target === '/v1/models' ? ollamaList(...models) : answer))
  // Without systemctl there is no service to offer.
  mkdirSync(join(home, 'bin'))
  const env = { HOME: home, PATH: join(home, 'bin'), OLLAMA_HOST: ollama.url }
  const file = join(home, '.config/llm-gateway/llm-gateway.yaml')
  const port = await freePort()
  /** Without a manager of services, unless `run` stands for one. */
  const init = async (flags: Partial<InitFlags>, variables: NodeJS.ProcessEnv = {}, run = noManager) => {
    const io = recordedIo({ ...env, ...variables })
    const stdin = Readable.from([])
    const status = await initCommand(
      { ...io, stdin },
      { user: true, service: true, keys: true, port, ...flags },
      run,
    )
    return { status, ...io.written }
  }
  return { home, ollama, env, file, port, init }
}
