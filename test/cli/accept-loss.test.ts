// `llm-gateway usage repair --accept-loss`, where no gateway runs.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

import { readBudgetsFile } from '../../src/admission/budgets-file.ts'
import { scratchDirectory } from '../support/config-file.ts'
import { runCommand } from '../support/run-command.ts'

test('it begins budgets anew where nothing is known of them, and the audit log has that, once', async (t) => {
  const directory = scratchDirectory(t)
  const config = join(directory, 'llm-gateway.yaml')
  writeFileSync(config, 'audit: { enabled: true }', { mode: 0o600 })
  const env = { HOME: directory, STATE_DIRECTORY: directory, LLM_GATEWAY_CONFIG: config }
  const accept = () => runCommand(['usage', 'repair', '--accept-loss'], { env })
  const path = join(directory, 'budgets.json')
  writeFileSync(path, 'damaged')

  const first = await accept()
  assert.deepEqual(first, { status: 0, stdout: 'budgets begin at 0\n', stderr: '' })
  assert.deepEqual(await readBudgetsFile(path), { timeZone: 'UTC', revision: 0, accounts: [] })
  const again = await accept()
  assert.match(again.stdout, /^what was spent of budgets is known from .*; nothing was changed$/m)
  // The second copy is as good.
  writeFileSync(join(directory, 'budgets.copy.json'), readFileSync(path))
  rmSync(path)
  assert.match((await accept()).stdout, /nothing was changed/)

  const audited = readdirSync(directory).find((name) => /^audit-.*jsonl$/.test(name))!
  const lines = readFileSync(join(directory, audited), 'utf8').trim().split('\n')
  const names = lines.map((line) => (JSON.parse(line) as { event_name: string }).event_name)
  assert.deepEqual(names, ['llm_gateway.usage.loss_accepted'])
})
