// Codex with a model for which it declares its tools in the conversation: one of them runs JavaScript, a custom tool in a
// namespace. The provider speaks only chat, where that is a function with one text.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

import { startGateway } from '../support/app.ts'
import { json, type Script, sse } from '../support/upstream-script.ts'
import { agents, quietEnv, type Task } from './agents.ts'
import { emptyFolder, npmClient, start, writeFiles } from './programs.ts'

const codex = agents.find(({ name }) => name.startsWith('Codex, a provider'))!
const model = 'gpt-5.6-luna'
const text = 'a "b" é'
const script = `notify('begun')
text(await tools.exec_command({ cmd: "printf %s '${text.replaceAll('"', String.raw`\"`)}' > word.txt; cat word.txt" }))`

function chunk(delta: object, reason: string | null = null): string {
  const choices = [{ index: 0, delta, finish_reason: reason }]
  return JSON.stringify({ id: 'c', object: 'chat.completion.chunk', created: 1, model, choices })
}

function callOf(name: string): Script {
  const args = JSON.stringify({ input: script })
  const half = Math.floor(args.length / 2)
  const pieces = [args.slice(0, half), args.slice(half)].map((piece) =>
    chunk({ tool_calls: [{ index: 0, function: { arguments: piece } }] }),
  )
  const call = { index: 0, id: 'call_1', type: 'function', function: { name, arguments: '' } }
  const reasoning = chunk({ reasoning_content: 'I run a script.' })
  return sse([reasoning, chunk({ tool_calls: [call] }), ...pieces, chunk({}, 'tool_calls'), '[DONE]'])
}

const { program, skip } = npmClient(codex.folder, codex.package, codex.program)

test('Codex runs a script that the model wrote into a custom tool', { skip }, async (t) => {
  const { gateway, upstream } = await startGateway(t, {
    providers: { scripted: { speaks: ['chat'] } },
    models: { [model]: { provider: 'scripted' } },
  })
  const home = emptyFolder(t)
  const folder = join(home, 'project')
  const file = join(folder, 'word.txt')
  const prompt = 'Write the word to the file word.txt.'
  const task: Task = { baseUrl: `${gateway.url}/v1`, model, prompt, file, home }
  writeFiles(home, { 'project/word.txt': '', ...codex.files?.(task) })
  upstream.respondAlways(({ body }) => {
    const { messages, tools } = JSON.parse(body.toString())
    if (messages.at(-1).role === 'tool')
      return sse([chunk({ content: 'Done.' }), chunk({}, 'stop'), '[DONE]'])
    const names: string[] = tools.map((tool: { function: { name: string } }) => tool.function.name)
    const name = names.find((each) => each.endsWith('exec'))
    return name === undefined ? json(400, { error: { message: names.join() } }) : callOf(name)
  })
  const settings = { folder, env: { HOME: home, ...quietEnv, ...codex.env?.(task) } }
  const ran = await start(t, program!, codex.args(task), settings).ended
  const said = `${ran.stdout}\n${ran.stderr}\n${JSON.stringify(gateway.log())}`
  assert.equal(ran.status, 0, said)
  assert.equal(readFileSync(file, 'utf8'), text, said)
  const { messages } = JSON.parse(upstream.requests[1]!.body.toString())
  const result = messages.at(-1)
  assert.equal(result.tool_call_id, 'call_1')
  assert.match(result.content, /"exit_code":0[\s\S]*begun|begun[\s\S]*"exit_code":0/)
})
