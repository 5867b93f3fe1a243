/** The name of the ledger's file, in the state directory. */
export const ledgerFileName = 'usage.db'
