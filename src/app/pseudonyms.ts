// The pseudonyms of a configuration, and reports of usage by the names of clients where the ledger has pseudonyms.
import type { UsageConfig } from '../config/types.ts'
import type { UsageAnswer } from '../ledger/ledger.ts'
import type { UsageQuestion } from '../ledger/report.ts'
import { Pseudonyms } from '../vault/pseudonyms.ts'

/** Undefined: clients are named as they are. */
export function pseudonymsOf({ pseudonymKey }: Pick<UsageConfig, 'pseudonymKey'>): Pseudonyms | undefined {
  return pseudonymKey === undefined ? undefined : new Pseudonyms(Buffer.from(pseudonymKey.reveal(), 'utf8'))
}

type ReadUsage = (question: UsageQuestion) => Promise<UsageAnswer>

/** Answers questions about a client by its name. In its own report it has its name, and others stay pseudonyms. */
export function usageReader(read: ReadUsage, pseudonyms: Pseudonyms | undefined): ReadUsage {
  if (pseudonyms === undefined) return read
  return async (question) => {
    const { client } = question
    if (client === undefined) return read(question)
    const { report, ...answer } = await read({ ...question, client: pseudonyms.of(client) })
    return { ...answer, report: report && { ...report, rows: pseudonyms.named(report.rows, client) } }
  }
}
