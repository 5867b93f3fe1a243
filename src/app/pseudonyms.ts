// The pseudonyms of a configuration, and reports of usage by the names of clients where the ledger has pseudonyms.
import type { UsageConfig } from '../config/observe-types.ts'
import type { SpendingCall, SpendJournal, SpendScope, SpendSource } from '../domain.ts'
import type { UsageAnswer } from '../ledger/ledger.ts'
import type { UsageQuestion } from '../ledger/report.ts'
import { Pseudonyms } from '../vault/pseudonyms.ts'

/** Undefined: clients are named as they are. */
export function pseudonymsOf({ pseudonymKey }: Pick<UsageConfig, 'pseudonymKey'>): Pseudonyms | undefined {
  return pseudonymKey === undefined ? undefined : new Pseudonyms(Buffer.from(pseudonymKey.reveal(), 'utf8'))
}

type ReadUsage = (question: UsageQuestion) => Promise<UsageAnswer>

/** Answers questions about a client by its name. In its own report it has its name, and others have pseudonyms. */
export function usageReader(read: ReadUsage, pseudonyms: Pseudonyms | undefined): ReadUsage {
  if (pseudonyms === undefined) return read
  return async (question) => {
    const { client } = question
    if (client === undefined) {
      const { spending, ...answer } = await read(question)
      const named = spending.map((each) => ({ ...each, ...scopeNamed(each, pseudonyms) }))
      return { ...answer, spending: named }
    }
    const { report, ...answer } = await read({ ...question, client: pseudonyms.of(client) })
    return { ...answer, report: report && { ...report, rows: pseudonyms.named(report.rows, client) } }
  }
}

/** Records what happens to budgets by pseudonyms. */
export function spendJournal(journal: SpendJournal, pseudonyms: Pseudonyms | undefined): SpendJournal {
  if (pseudonyms === undefined) return journal
  const named = (scope: SpendScope) => scopeNamed(scope, pseudonyms)
  return {
    held(spending) {
      const { scopes, call, promptTokens } = spending.demand
      const demand = { scopes: scopes.map(named), call: callNamed(call, pseudonyms), promptTokens }
      journal.held({ ...spending, demand })
    },
    charged: (spending, charges) =>
      journal.charged(
        spending,
        charges.map((charge) => ({ ...charge, scope: named(charge.scope) })),
      ),
    rebased: () => journal.rebased(),
  }
}

/** The same for what is asked after. */
export function spendSource(source: SpendSource, pseudonyms: Pseudonyms | undefined): SpendSource {
  if (pseudonyms === undefined) return source
  return {
    get revision() {
      return source.revision
    },
    balance: () => source.balance().map((each) => ({ ...each, scope: scopeNamed(each.scope, pseudonyms) })),
  }
}

/** A scope by the pseudonym of whom it is of. */
export function scopeNamed({ name, entry }: SpendScope, pseudonyms: Pseudonyms): SpendScope {
  return { name, entry: name.startsWith('key:') ? pseudonyms.ofKey(entry) : pseudonyms.of(entry) }
}

/** A call as it is recorded. */
export function callNamed<Call extends SpendingCall>(call: Call, pseudonyms: Pseudonyms): Call {
  const { client, key, via } = call
  return {
    ...call,
    client: pseudonyms.of(client),
    key: key && pseudonyms.ofKey(key),
    via: via && pseudonyms.of(via),
  }
}
