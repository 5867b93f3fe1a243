// Coding agents at providers of every format, each from an empty home: it writes a file because the model asks for it, and
// ends well.
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

import { startGateway } from '../support/app.ts'
import { type Agent, agents, quietEnv, type Task } from './agents.ts'
import { emptyFolder, npmClient, start, writeFiles } from './programs.ts'
import { createToolCallingModel } from './tool-calling-model.ts'

const word = 'cherry-4711'
/** Of the providers, by what the agent speaks. */
const formats = {
  chat: ['chat', 'messages'],
  messages: ['messages', 'chat'],
  responses: ['responses', 'chat', 'messages'],
} as const
/** One way of each program to its format. */
const writers = agents.filter(
  ({ name, write }) => write !== undefined && !name.includes('WebSocket'),
) as readonly (Agent & Required<Pick<Agent, 'write'>>)[]

for (const agent of writers) {
  const { program, skip, version } = npmClient(agent.folder, agent.package, agent.program)

  for (const format of formats[agent.format]) {
    test(`${agent.name} at a provider of ${format}: the file is written`, { skip }, async (t) => {
      const { gateway, upstream } = await startGateway(t, {
        providers: { scripted: { speaks: [format] } },
        models: { plain: { provider: 'scripted' } },
      })
      const home = emptyFolder(t)
      const folder = join(home, 'project')
      mkdirSync(folder)
      const file = join(folder, 'word.txt')
      const prompt = 'Write the secret word to the file word.txt.'
      const task: Task = { baseUrl: `${gateway.url}/v1`, model: 'plain', prompt, file, home }
      writeFiles(home, agent.files?.(task) ?? {})
      upstream.respondAlways(createToolCallingModel(word, agent.write(task, word), () => existsSync(file)))
      const settings = { folder, env: { HOME: home, ...quietEnv, ...agent.env?.(task) } }
      const ran = await start(t, program!, agent.args(task), settings).ended
      const said = `${ran.stdout}\n${ran.stderr}\n${JSON.stringify(gateway.log())}`
      const asked = upstream.requests.map(
        ({ method, target, body }) => `${method} ${target} (${body.length} B)`,
      )
      t.diagnostic(`${agent.package} ${version}: ${asked.join(', ')}`)
      assert.equal(ran.status, 0, said)
      assert.equal(readFileSync(file, 'utf8').trim(), word, said)
      assert.ok(ran.stdout.includes(word), said)
    })
  }
}
