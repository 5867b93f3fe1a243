// A real llama.cpp behind the gateway, openai-python and LangChain in front of it: what the log says of each call is what
// llama.cpp counted, and a call that its client read to the end never counts as left.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, suite, test, type TestContext } from 'node:test'

import type { Running } from '../support/app.ts'
import { missingLlamaCpp, startLlamaCpp } from './llama-cpp.ts'
import { emptyFolder, python, start } from './programs.ts'

interface PythonCall {
  readonly id: string
  readonly way: string
  /** What the client saw of it; null: nothing. */
  readonly usage: Tokens | null
  /** By how much llama.cpp's counters rose; of calls one after the other. */
  readonly counted: Tokens
}

interface Tokens {
  readonly prompt: number
  readonly completion: number
}

const skip = missingLlamaCpp('openai', 'langchain-openai')

suite('openai-python and LangChain in front of a real llama.cpp', { skip }, () => {
  const releases: (() => unknown)[] = []
  const whole = { after: (release: () => unknown) => void releases.unshift(release) }
  let llamaCpp: string
  let gateway: Running['gateway']

  before(async () => {
    ;({ llamaCpp, gateway } = await startLlamaCpp(whole))
  })
  after(async () => {
    for (const release of releases) await release()
  })

  /** Runs so many calls and returns them, each with its line of the log. */
  async function run(t: TestContext, mode: 'calls' | 'left' | 'parallel', count: number) {
    const folder = emptyFolder(t)
    const script = join(import.meta.dirname, 'python_clients.py')
    const args = [script, gateway.url, llamaCpp, mode, String(count)]
    const { status, stdout, stderr } = await start(t, python!, args, { folder, env: { HOME: folder } }).ended
    assert.equal(status, 0, stderr)
    const calls = stdout.split('\n').filter((line) => line !== '')
    assert.equal(calls.length, count)
    return Promise.all(
      calls.map(async (line) => {
        const call = JSON.parse(line) as PythonCall
        return { ...call, logged: await gateway.logged({ request_id: call.id }) }
      }),
    )
  }

  const loggedTokens = ({ logged }: { logged: Record<string, unknown> }) => ({
    prompt: logged['prompt_tokens'],
    completion: logged['completion_tokens'],
  })

  test('in 100 of 100 calls the log has the tokens that llama.cpp counted and the client saw', async (t) => {
    const calls = await run(t, 'calls', 100)
    for (const call of calls) {
      const { status, estimated } = call.logged
      assert.deepEqual(
        { status, estimated, ...loggedTokens(call) },
        { status: 200, estimated: false, ...call.counted },
        call.way,
      )
      if (call.usage !== null) assert.deepEqual(call.usage, call.counted, call.way)
    }
    const ways = new Set(calls.map(({ way }) => way))
    t.diagnostic(`${calls.length} calls in ${ways.size} ways, equal to the token`)
  })

  test('a stream that is left half-way is logged 499, and one that is read to its end is not', async (t) => {
    const calls = await run(t, 'left', 40)
    for (const { way, logged } of calls) {
      assert.deepEqual([way, logged['status']], [way, way === 'left_half_way' ? 499 : 200])
    }
    assert.equal(calls.filter(({ logged }) => logged['status'] === 499).length, 20)
  })

  test('four clients at once on two slots: each sees in its usage what the log has', async (t) => {
    const calls = await run(t, 'parallel', 40)
    for (const call of calls) {
      assert.deepEqual([call.logged['status'], call.logged['estimated']], [200, false], call.way)
      if (call.usage !== null) assert.deepEqual(loggedTokens(call), call.usage, call.way)
    }
  })
})
