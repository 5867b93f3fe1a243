import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'

import { beginBudgets } from '../../../src/admission/budgets-file.ts'
import { examineBudgets } from '../../../src/cli/doctor/budgets.ts'
import { scratchDirectory } from '../../support/config-file.ts'

suite('what doctor finds of budgets', () => {
  test('is nothing where none were in use, or no gateway runs', async (t) => {
    const state = { path: scratchDirectory(t) }
    assert.deepEqual(await examineBudgets(state, { isRunning: true }), [])
    writeFileSync(join(state.path, 'budgets.used'), '')
    assert.deepEqual(await examineBudgets(state, { isRunning: false }), [])
  })

  test('is a failure where the gateway does not know what was spent', async (t) => {
    const state = { path: scratchDirectory(t) }
    writeFileSync(join(state.path, 'budgets.used'), '')
    for (const text of [undefined, '{"version":1,"acc']) {
      if (text !== undefined) writeFileSync(join(state.path, 'budgets.json'), text)
      const [finding, ...others] = await examineBudgets(state, { isRunning: true })
      assert.equal(finding?.state, 'fail')
      assert.match(finding?.fix ?? '', /usage repair --accept-loss/)
      assert.deepEqual(others, [])
    }
    await beginBudgets(state.path)
    const found = await examineBudgets(state, { isRunning: true })
    assert.deepEqual(
      found.map((each) => each.state),
      ['ok'],
    )
  })
})
