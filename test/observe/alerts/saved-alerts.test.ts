// The file of conditions and messages: that there is none where there is nothing, and what it has otherwise.
import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { suite, test, type TestContext } from 'node:test'

import type { Notice } from '../../../src/observe/alerts/notice.ts'
import { AlertsFile, type SavedAlerts } from '../../../src/observe/alerts/saved-alerts.ts'
import { scratchDirectory } from '../../support/config-file.ts'

const nothing: SavedAlerts = { conditions: [], waiting: new Map() }

const notice: Notice = {
  kind: 'firing',
  rule: 'provider_down',
  subject: 'cloud',
  severity: 'warning',
  what: 'a',
  why: 'b',
  fix: 'c',
  at: '2027-01-01T00:00:00.000Z',
  since: '2027-01-01T00:00:00.000Z',
}

const waiting: SavedAlerts = { conditions: [], waiting: new Map([['team', [notice]]]) }

function fileIn(t: TestContext, directory = scratchDirectory(t)) {
  const state = { content: nothing }
  const faults: Error[] = []
  const file = new AlertsFile({
    directory,
    content: () => state.content,
    onFault: (cause) => void faults.push(cause),
  })
  const write = async (content: SavedAlerts) => {
    state.content = content
    file.touch()
    await file.stop()
  }
  return { directory, file, faults, write }
}

suite('the file of alerts', () => {
  test('is not made where there is nothing to keep', async (t) => {
    const { directory, file, faults, write } = fileIn(t)
    assert.deepEqual(file.load(), nothing)
    await write({ conditions: [], waiting: new Map([['team', []]]) })
    assert.deepEqual(readdirSync(directory), [])
    await write(waiting)
    assert.deepEqual(readdirSync(directory), ['alerts.json'])
    assert.deepEqual(faults, [])
  })

  test('has what was written, and nothing once nothing is left', async (t) => {
    const { directory, write } = fileIn(t)
    await write(waiting)
    const again = fileIn(t, directory)
    assert.deepEqual(again.file.load(), waiting)
    await again.write(nothing)
    const last = fileIn(t, directory)
    assert.deepEqual([last.file.load(), last.faults], [nothing, []])
  })
})
