// Calls as they end, for tests of the ledger.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { appendRow, type Cell, type EndedCall } from '../../src/ledger/call-row.ts'
import { type LedgerFile, type LedgerFileOptions, openLedgerFile } from '../../src/ledger/ledger-file.ts'
import type { Cleanup } from '../support/scripted-upstream.ts'

/** 2026-11-01T00:00:00Z. */
export const novemberMs = Date.UTC(2026, 10, 1)

/** Answered, with 100 tokens of prompt and 20 of output, unless told otherwise. */
export function endedCall(more: Partial<EndedCall> = {}): EndedCall {
  return {
    request_id: 'req-1',
    client: 'user:ann',
    dialect: 'chat',
    model: 'qwen',
    provider: 'local',
    target_model: 'qwen-7b',
    fallback_model: undefined,
    status: 200,
    code: undefined,
    stream: false,
    prompt_tokens: 100,
    completion_tokens: 20,
    cached_tokens: undefined,
    cache_write_tokens: undefined,
    reasoning_tokens: undefined,
    estimated: undefined,
    attempts: 1,
    wait_ms: 0,
    first_byte_ms: 12.34,
    duration_ms: 56.78,
    ...more,
  }
}

/** Rows of calls that ended at an instant. */
export function rowsOf(calls: readonly Partial<EndedCall>[], endedMs = novemberMs): Cell[] {
  const rows: Cell[] = []
  for (const call of calls) appendRow(rows, endedCall(call), endedMs)
  return rows
}

const scratch = mkdtempSync(join(tmpdir(), 'llm-gateway-ledger-'))
// After the ends of all tests: their gateways and threads write until they have stopped.
process.once('exit', () => rmSync(scratch, { recursive: true, force: true }))

/** A folder of its own, which goes when the process ends. */
export function newDirectory(): string {
  return mkdtempSync(join(scratch, 'state-'))
}

/** The path of a database in a folder of its own. */
export function newPath(): string {
  return join(newDirectory(), 'usage.db')
}

/** Opens it to write, and closes it after the test if that has not happened. */
export function openFile(t: Cleanup, path: string, more: Partial<LedgerFileOptions> = {}): LedgerFile {
  const opened = openLedgerFile({ path, nowMs: novemberMs, busyTimeoutMs: 100, ...more })
  if (opened.kind !== 'open') throw new Error(opened.reason)
  t.after(() => {
    if (opened.file.database.isOpen) opened.file.close()
  })
  return opened.file
}
