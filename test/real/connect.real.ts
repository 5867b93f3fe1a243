// What `connect --write` writes leads the clients themselves to the gateway: each answers a prompt from an empty home.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'

import { startGateway } from '../support/app.ts'
import { runCommand } from '../support/run-command.ts'
import { agents, quietEnv } from './agents.ts'
import { emptyFolder, npmClient, start, writeFiles } from './programs.ts'
import { createToolCallingModel } from './tool-calling-model.ts'

const secret = 'banana-4711'

interface Connected {
  /** As `connect` calls it. */
  readonly client: string
  /** As the list of agents calls it. */
  readonly agent: string
  /** With which it is started, where the settings are not all that it needs. */
  readonly args?: (prompt: string) => readonly string[]
}

const connected: readonly Connected[] = [
  { client: 'claude', agent: 'Claude Code' },
  { client: 'codex', agent: 'Codex, a provider of its configuration' },
  {
    client: 'opencode',
    agent: 'opencode, @ai-sdk/openai-compatible',
    args: (prompt) => ['run', prompt],
  },
  { client: 'pi', agent: 'pi, openai-completions' },
  {
    client: 'continue',
    agent: 'Continue CLI',
    args: (prompt) => ['--print', '--auto', prompt],
  },
]

/** Of the variables, those that have nothing to do with where the gateway is. */
const quiet = /^(?:DISABLE_|CLAUDE_CODE_|OPENCODE_|PI_|CONTINUE_)/

for (const { client, agent: name, args } of connected) {
  const agent = agents.find((each) => each.name === name)!
  const { program, skip } = npmClient(agent.folder, agent.package, agent.program)

  test(`${name}: one tool call by what connect has written`, { skip }, async (t) => {
    const { gateway, upstream } = await startGateway(t)
    const home = emptyFolder(t)
    const folder = join(home, 'project')
    const file = join(folder, 'hello.txt')
    const prompt = 'Read the file hello.txt and say its secret word.'
    writeFiles(home, { 'project/hello.txt': `The secret word is ${secret}.\n` })
    const written = await runCommand(
      ['connect', client, '--url', gateway.url, '--model', 'plain', '--write', '--yes'],
      { env: { HOME: home } },
    )
    assert.equal(written.status, 0, written.stderr)
    const task = { baseUrl: `${gateway.url}/v1`, model: 'plain', prompt, file, home }
    upstream.respondAlways(createToolCallingModel(secret, agent.tool(task)))
    const env = Object.fromEntries(Object.entries(agent.env?.(task) ?? {}).filter(([key]) => quiet.test(key)))
    const settings = { folder, env: { HOME: home, ...quietEnv, ...env } }
    const ran = await start(t, program!, args?.(prompt) ?? agent.args(task), settings).ended
    const said = `${ran.stdout}\n${ran.stderr}\n${JSON.stringify(gateway.log())}`
    assert.equal(ran.status, 0, said)
    assert.ok(ran.stdout.includes(secret), said)
    assert.ok(upstream.requests.length >= 2, said)
  })
}
