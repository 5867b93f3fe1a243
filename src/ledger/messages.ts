// What the ledger and its writer's thread send one another.
import type { Cell } from './call-row.ts'
import type { SetAside } from './open-database.ts'
import type { QuarterSum } from './quarter-sums.ts'
import type { UsageQuestion, UsageReport } from './report.ts'
import type { ServiceStep } from './service-steps.ts'
import type { SpendBatch } from './spend-news.ts'
import type { SpendFound, SpendQuestion } from './spend-question.ts'

/** Rows that are written together, in one transaction. */
export interface RowBatch {
  /** From 1 on, in the order of a process's batches; one that was written already is skipped. */
  readonly seq: number
  readonly rows: readonly Cell[]
  /** Of rows that are not kept. */
  readonly lostSums: readonly QuarterSum[]
  /** Of budgets. Undefined: nothing has changed. */
  readonly spend?: SpendBatch | undefined
  /** Of model servers. Absent: none. */
  readonly steps?: readonly ServiceStep[] | undefined
}

/** A run of a gateway, as the file knows it. Another file may have another one of the same number. */
export interface Run {
  readonly id: number
  /** Milliseconds since 1970. */
  readonly startedMs: number
}

export interface WriterStart {
  readonly path: string
  /** Days that rows of calls, and sums, are kept. */
  readonly keepCallsDays: number
  readonly keepHoursDays: number
  readonly busyTimeoutMs: number
  /** Of this process in the file, when it had a thread before. */
  readonly run: Run | undefined
}

export type ToWriter =
  | { readonly kind: 'batch'; readonly batch: RowBatch }
  | { readonly kind: 'question'; readonly id: number; readonly question: UsageQuestion }
  | { readonly kind: 'restore'; readonly question: SpendQuestion }
  /** Closes the file and ends the thread. */
  | { readonly kind: 'stop' }

export type FromWriter =
  /** @param seq of the last batch of the run in the file. */
  | { readonly kind: 'opened'; readonly run: Run; readonly seq: number; readonly setAside?: SetAside }
  | { readonly kind: 'unusable'; readonly reason: string }
  | { readonly kind: 'written'; readonly seq: number }
  /** Nothing of the batch is in the file; it may be sent again. */
  | { readonly kind: 'not_written'; readonly seq: number; readonly reason: string }
  /** Undefined: it cannot be read now. */
  | { readonly kind: 'answer'; readonly id: number; readonly report: UsageReport | undefined }
  /** Answers `restore`. */
  | { readonly kind: 'restored'; readonly found: SpendFound }
  | { readonly kind: 'stopped' }
