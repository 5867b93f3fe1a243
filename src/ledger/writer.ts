// The thread that writes the ledger. SQLite waits for the disk and for locks of other processes, and so does this thread,
// which serves nobody.
import { parentPort, workerData } from 'node:worker_threads'
import { reasonOf } from '../platform/thrown.ts'
import { giveUpBallast, keepBallast } from './ballast.ts'
import { type LedgerFile, openLedgerFile } from './ledger-file.ts'
import type { FromWriter, RowBatch, ToWriter, WriterStart } from './messages.ts'
import { readReport, type UsageQuestion, type UsageReport } from './report.ts'
import type { SpendFound, SpendQuestion } from './spend-question.ts'
import { isDamage, isFull } from './sqlite-error.ts'

const start = workerData as WriterStart
const { path, busyTimeoutMs } = start
const port = parentPort!
const dayMs = 24 * 60 * 60_000
/** After the first look for what is to be removed. */
const pruneEveryMs = 60 * 60_000
/** While rows come: so often is looked for quarters of an hour that are over. */
const digestEveryMs = 60_000

let file: LedgerFile | undefined
let run = start.run
let isUnusable = false
let isStopping = false
let isPruning = false
let isDigesting = false
let nextDigestMs = 0

const post = (message: FromWriter) => port.postMessage(message)
const every = setInterval(() => {
  prune()
  digest()
}, pruneEveryMs)

port.on('message', (message: ToWriter) => {
  switch (message.kind) {
    case 'batch':
      write(message.batch)
      return
    case 'question':
      post({ kind: 'answer', id: message.id, report: answer(message.question) })
      return
    case 'restore':
      post({ kind: 'restored', found: restored(message.question) })
      return
    case 'stop':
      stop()
      return
    default:
      message satisfies never
  }
})

function write(batch: RowBatch): void {
  if (isUnusable) return
  try {
    writeOnce(batch)
    // The file was opened for it, and is none that may be written.
    if (isUnusable) return
    post({ kind: 'written', seq: batch.seq })
    digest()
  } catch (error) {
    post({ kind: 'not_written', seq: batch.seq, reason: reasonOf(error) })
  }
}

/** A damaged file is set aside, and the batch goes into a new one; a full disk gets the ballast back. */
function writeOnce(batch: RowBatch): void {
  try {
    opened()?.write(batch)
  } catch (error) {
    if (isDamage(error)) close()
    else if (isFull(error) && giveUpBallast(path)) makeRoom()
    else {
      // It may have been lost in a way that only opening it again repairs.
      if (file !== undefined && file.isReplaced) close()
      throw error
    }
    opened()?.write(batch)
  }
}

function opened(): LedgerFile | undefined {
  if (file?.isReplaced === true) close()
  if (file !== undefined || isUnusable) return file
  const result = openLedgerFile({ path, busyTimeoutMs, nowMs: Date.now(), run })
  if (result.kind === 'unusable') {
    isUnusable = true
    post(result)
    return undefined
  }
  file = result.file
  run = file.run
  post({ kind: 'opened', run, seq: file.seq, ...(result.setAside && { setAside: result.setAside }) })
  setImmediate(() => {
    keepBallast(path)
    prune()
    digest()
  })
  return file
}

function close(): void {
  try {
    file?.close()
  } catch {
    // The file cannot be used, and is not used any more.
  }
  file = undefined
}

/** Deleting needs room in the write-ahead log, which the ballast has just left. */
function makeRoom(): void {
  if (file === undefined) return
  try {
    file.checkpoint()
    while (prunePiece(file));
    file.checkpoint()
  } catch {
    // What could not be removed now is removed later; the batch that is tried next shows whether there is room.
  }
}

function prunePiece(open: LedgerFile): boolean {
  const now = Date.now()
  return open.prunePiece(now - start.keepCallsDays * dayMs, now - start.keepHoursDays * dayMs, now)
}

/** Piece by piece, between which batches are written. */
function prune(): void {
  if (isPruning) return
  isPruning = true
  const next = () => {
    isPruning = false
    if (isStopping || file === undefined) return
    try {
      if (!prunePiece(file)) return
    } catch (error) {
      // Tried again in an hour; the next batch meets the same fault and reports it.
      if (isDamage(error)) close()
      return
    }
    isPruning = true
    setImmediate(next)
  }
  next()
}

/** As above, and no more often than it is of use. */
function digest(): void {
  if (isDigesting || Date.now() < nextDigestMs) return
  nextDigestMs = Date.now() + digestEveryMs
  isDigesting = true
  const next = () => {
    isDigesting = false
    if (isStopping || file === undefined) return
    try {
      if (!file.digestPiece(Date.now())) return
    } catch (error) {
      // Reports read the rows until it succeeds.
      if (isDamage(error)) close()
      return
    }
    isDigesting = true
    setImmediate(next)
  }
  setImmediate(next)
}

function answer(question: UsageQuestion): UsageReport | undefined {
  try {
    const open = opened()
    return open === undefined ? undefined : readReport(open.database, question)
  } catch (error) {
    if (isDamage(error)) close()
    return undefined
  }
}

function restored(question: SpendQuestion): SpendFound {
  try {
    return opened()?.restoreSpend(question) ?? { kind: 'unreadable', reason: 'it is off' }
  } catch (error) {
    if (isDamage(error)) close()
    return { kind: 'unreadable', reason: reasonOf(error) }
  }
}

function stop(): void {
  isStopping = true
  clearInterval(every)
  try {
    file?.end(Date.now())
  } catch {
    // The next start finds a run that did not end in order, which is true.
  }
  close()
  post({ kind: 'stopped' })
  port.close()
}
