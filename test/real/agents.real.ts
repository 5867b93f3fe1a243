// Coding agents as themselves, each from an empty home: it reads a file because the model asks for it, and says what is in it.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'

import { startGateway } from '../support/app.ts'
import type { ScriptedResponse } from '../support/scripted-upstream.ts'
import { type Agent, agents, quietEnv, type Task } from './agents.ts'
import { emptyFolder, npmClient, start, writeFiles } from './programs.ts'
import { tokensOf } from './answering.ts'
import { breakOff, createToolCallingModel, providerRequestId } from './tool-calling-model.ts'

const secret = 'banana-4711'

/** The agent on one task at a gateway of its own, once this provider answers. */
async function startAgent(t: TestContext, agent: Agent, respond: (task: Task) => ScriptedResponse) {
  const { program, version } = npmClient(agent.folder, agent.package, agent.program)
  const { gateway, upstream } = await startGateway(t)
  const home = emptyFolder(t)
  const folder = join(home, 'project')
  const file = join(folder, 'hello.txt')
  const prompt = 'Read the file hello.txt and say its secret word.'
  const task: Task = { baseUrl: `${gateway.url}/v1`, model: 'plain', prompt, file, home }
  writeFiles(home, { 'project/hello.txt': `The secret word is ${secret}.\n`, ...agent.files?.(task) })
  upstream.respondAlways(respond(task))
  const settings = { folder, env: { HOME: home, ...quietEnv, ...agent.env?.(task) } }
  for (const args of agent.setUp?.(task) ?? []) {
    const { status, stdout, stderr } = await start(t, program!, args, settings).ended
    assert.equal(status, 0, stdout + stderr)
  }
  const ran = await start(t, program!, agent.args(task), settings).ended
  const asked = upstream.requests.map(({ method, target, body }) => `${method} ${target} (${body.length} B)`)
  t.diagnostic(`${agent.package} ${version}: ${asked.join(', ')}`)
  return { gateway, upstream, ran, said: `${ran.stdout}\n${ran.stderr}\n${JSON.stringify(gateway.log())}` }
}

const codesIn = (log: readonly Record<string, unknown>[]) =>
  [...new Set(log.map(({ code }) => code))].filter((code) => code !== undefined)

for (const agent of agents) {
  const { skip } = npmClient(agent.folder, agent.package, agent.program)

  test(`${agent.name}: one tool call, and its result`, { skip }, async (t) => {
    const { gateway, upstream, ran, said } = await startAgent(t, agent, (task) =>
      createToolCallingModel(secret, agent.tool(task)),
    )
    assert.equal(ran.status, 0, said)
    assert.ok(ran.stdout.includes(secret), said)
    assert.deepEqual(codesIn(gateway.log()), agent.refusals ?? [])
    for (const number of upstream.requests.keys()) {
      const logged = await gateway.logged({ provider_request_id: providerRequestId(number + 1) })
      const { status, estimated, prompt_tokens: promptTokens, completion_tokens: completion } = logged
      assert.deepEqual(
        { status, estimated, prompt: promptTokens, completion },
        { status: 200, estimated: false, ...tokensOf(number + 1) },
      )
    }
    assert.ok(upstream.requests.length >= 2, said)
  })

  test(`${agent.name}: a stream that breaks off ends in the gateway's reason`, { skip }, async (t) => {
    const { gateway, upstream, ran, said } = await startAgent(t, agent, () => breakOff)
    assert.equal(ran.status, 1, said)
    assert.match(
      ran.stdout + ran.stderr,
      /Provider \\?"scripted\\?" closed the connection before its response was complete/,
      said,
    )
    assert.deepEqual(codesIn(gateway.log()), [...(agent.refusals ?? []), 'provider_bad_response'])
    // Agents ask again on their own, the gateway never once a stream has begun. opencode also asks for a title.
    assert.ok(upstream.requests.length <= 7, `${upstream.requests.length} requests`)
  })
}
