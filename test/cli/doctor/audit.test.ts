// What doctor reports of the audit log and the control socket.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'

import { examineAudit } from '../../../src/cli/doctor/audit.ts'
import { examineControl } from '../../../src/cli/doctor/control.ts'
import { AuditLog } from '../../../src/observe/audit/audit-log.ts'
import { scratchDirectory } from '../../support/config-file.ts'
import { startGatewayProcess } from '../../support/gateway-process.ts'

async function written(directory: string, count: number): Promise<void> {
  const log = await AuditLog.open({
    directory,
    key: undefined,
    wallNow: () => Date.UTC(2026, 10, 28),
    prepare: async () => {},
    onFault: () => {},
  })
  assert.ok(log instanceof AuditLog)
  const event = { name: 'llm_gateway.key.created', severity: 'info', outcome: 'success' } as const
  for (let number = 0; number < count; number++) await log.addAndWait({ ...event, attributes: {} })
  await log.close()
}

function edit(directory: string, change: (lines: string[]) => string[]): void {
  const [name] = readdirSync(directory).filter((each) => each.endsWith('.jsonl'))
  const path = join(directory, name!)
  writeFileSync(path, change(readFileSync(path, 'utf8').trimEnd().split('\n')).join('\n') + '\n')
}

async function examine(t: TestContext, directory: string): Promise<string> {
  const parts = { env: { HOME: scratchDirectory(t) }, command: 'llm-gateway' }
  const { state, detail, fix } = await examineAudit(directory, join(directory, 'none.yaml'), parts)
  return `${state}: ${detail}${fix === undefined ? '' : `; ${fix}`}`
}

test('an audit log whose head matches is ok', async (t) => {
  const directory = scratchDirectory(t)
  await written(directory, 3)
  assert.equal(await examine(t, directory), 'ok: 3 events, whole, audit.head matches, unkeyed')
})

test('an audit log that was never written is a warning', async (t) => {
  assert.match(await examine(t, scratchDirectory(t)), /^warn: there is no audit log in /)
})

test('a changed line, and an end that was cut off, are failures', async (t) => {
  const directory = scratchDirectory(t)
  await written(directory, 3)
  edit(directory, (lines) => lines.slice(0, 2))
  assert.match(
    await examine(t, directory),
    /^fail: the log ends with line 2, but line 3 .*; llm-gateway audit verify$/,
  )
  edit(directory, (lines) => lines.with(0, lines[0]!.replace('success', 'failure')))
  assert.match(await examine(t, directory), /^fail: audit-2026-11\.jsonl:1: /)
})

test('the last fault that the log itself reports is a warning', async (t) => {
  const directory = scratchDirectory(t)
  await written(directory, 3)
  edit(directory, (lines) => lines.slice(0, 2))
  await written(directory, 1)
  assert.match(
    await examine(t, directory),
    /^warn: 4 events, whole, .* a fault at 2026-11-28T.* \(audit\.tail_missing\); llm-gateway audit tail -n 2$/,
  )
})

test('the control socket of a running gateway answers, or is missing', async (t) => {
  const { gateway } = await startGatewayProcess(t)
  const env = { HOME: gateway.folder, XDG_RUNTIME_DIR: '' }
  const examined = async (file: string, isRunning: boolean) =>
    (await examineControl(file, { env, isRunning })).map(({ state, detail }) => `${state} ${detail}`)
  const [answers] = await examined(gateway.file, true)
  assert.match(answers!, new RegExp(`^ok gateway .* \\(pid ${gateway.pid}\\) answers$`))
  const [other] = await examined(join(gateway.folder, 'other.yaml'), true)
  assert.match(other!, /^warn a gateway runs, and none with this configuration listens at /)
  assert.deepEqual(await examined(join(gateway.folder, 'other.yaml'), false), [])
})
