// Whether calls are being recorded: what the ledger's files show of it.
import { readdirSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { ledgerFileName } from '../../ledger/ledger-name.ts'
import { holderOf, openReader } from '../../ledger/reader.ts'
import { shellWord } from '../../platform/shell-word.ts'
import type { StateDirectory } from '../state-directory.ts'
import type { Finding } from './finding.ts'

const subject = 'ledger'

/** Nothing where no call was recorded so far. `usage verify` reads all of it, which takes longer. */
export function examineLedger({ path: directory }: StateDirectory): Finding[] {
  const path = join(directory, ledgerFileName)
  const opened = openReader(path)
  if (opened.kind === 'absent') return []
  const damaged = asideOf(path).map((file): Finding => {
    const detail = `a damaged ledger was moved aside as ${file}, and a new one begun`
    const fix = `examine it with llm-gateway usage --db ${shellWord(join(directory, file))}, then remove it`
    return { subject, state: 'warn', detail, fix }
  })
  if (opened.kind === 'fault') {
    if (opened.isUnreadable) return [{ subject, state: 'skipped', detail: `${path}: ${opened.reason}` }]
    const detail = `${path} cannot be used, so that no call is recorded: ${opened.reason}`
    const fix = opened.isDamaged ? 'stop the gateway and run llm-gateway usage repair' : undefined
    return [...damaged, { subject, state: 'fail', detail, fix }]
  }
  const { database } = opened
  try {
    const last = database.prepare('SELECT lost_rows, started_ms FROM runs ORDER BY id DESC LIMIT 1').get()
    const lost = Number(last?.['lost_rows'] ?? 0)
    if (lost > 0) {
      const detail = `${lost} rows were lost since the gateway started, while nothing could be written; their sums are kept`
      damaged.push({ subject, state: 'warn', detail, fix: 'look for ledger_waiting in the log' })
    }
    if (holderOf(path) !== undefined && !names(directory).includes(ballastName)) {
      const detail = `${path} has no ballast: the disk is full, or was`
      damaged.push({ subject, state: 'warn', detail, fix: `make room where ${directory} is` })
    }
    return damaged.length > 0 ? damaged : [{ subject, state: 'ok', detail: path }]
  } catch (error) {
    const detail = `${path} cannot be read: ${String(error)}`
    return [...damaged, { subject, state: 'fail', detail, fix: 'run llm-gateway usage verify' }]
  } finally {
    database.close()
  }
}

const ballastName = 'usage.ballast'

function asideOf(path: string): string[] {
  const prefix = `${basename(path)}.corrupt-`
  return names(dirname(path)).filter((name) => name.startsWith(prefix) && !/-(wal|shm)$/.test(name))
}

function names(directory: string): string[] {
  try {
    return readdirSync(directory)
  } catch {
    return []
  }
}
