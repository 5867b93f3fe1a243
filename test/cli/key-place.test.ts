import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test, type TestContext } from 'node:test'

import { waitUntilInForce } from '../../src/cli/key-place.ts'
import { formatKeysState, type KeysState, parseKeysState } from '../../src/clients/keys/keys-state.ts'
import { scratchDirectory } from '../support/config-file.ts'

/** A gateway that reports the state of a moment once that has come. */
function gatewayThat(
  t: TestContext,
  reports: readonly (readonly [atMs: number, state: Partial<KeysState>])[],
) {
  const stateDirectory = scratchDirectory(t)
  let nowMs = 1000
  const left = [...reports]
  const parts = {
    now: () => nowMs,
    sleep: (ms: number) => {
      nowMs += ms
      while (left.length > 0 && left[0]![0] <= nowMs - 1000) {
        const state = { generation: 0, loadedAtMs: 0, threads: 1, ...left.shift()![1] }
        writeFileSync(join(stateDirectory, 'keys.state'), formatKeysState(state))
      }
      return Promise.resolve()
    },
  }
  return { gateway: { pid: 4711, stateDirectory }, parts }
}

suite('a change of the keys', () => {
  test('is in force when all threads have its generation', async (t) => {
    const reports = [
      [10, { generation: 6, threads: 4 }],
      [38, { generation: 7, threads: 4 }],
    ] as const
    const { gateway, parts } = gatewayThat(t, reports)
    assert.deepEqual(await waitUntilInForce(gateway, 7, parts), { kind: 'in_force', afterMs: 40, threads: 4 })
  })

  test('is in force with a later generation, too', async (t) => {
    const { gateway, parts } = gatewayThat(t, [[5, { generation: 9 }]])
    assert.equal((await waitUntilInForce(gateway, 7, parts)).kind, 'in_force')
  })

  test('is not in force after 5 s of silence', async (t) => {
    const { gateway, parts } = gatewayThat(t, [[5, { generation: 6 }]])
    const result = await waitUntilInForce(gateway, 7, parts)
    assert.ok(result.kind === 'not_in_force')
    assert.match(result.reason, /the gateway \(pid 4711\) has not loaded the file within 5 s/)
    assert.equal(parts.now(), 6000)
  })

  test('is not in force when the gateway refuses the file, and the reason is known', async (t) => {
    const { gateway, parts } = gatewayThat(t, [[5, { generation: 6, refused: 'keys[0].name is wrong' }]])
    assert.deepEqual(await waitUntilInForce(gateway, 7, parts), {
      kind: 'not_in_force',
      reason: 'keys[0].name is wrong',
    })
  })
})

test('what a gateway reports is read as it is written, and nothing else', () => {
  const state = { generation: 41, loadedAtMs: 1_800_000_000_123, threads: 4 }
  assert.deepEqual(parseKeysState(formatKeysState(state)), state)
  assert.deepEqual(parseKeysState(formatKeysState({ ...state, refused: 'why' })), {
    ...state,
    refused: 'why',
  })
  for (const text of ['', '{}', '[]', '{"generation":1}', '{"generation":1,"loaded_at":"soon","threads":1}'])
    assert.equal(parseKeysState(text), undefined)
})
