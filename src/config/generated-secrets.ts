// Stored secrets of fixed names that are the gateway's own: values that `secret set NAME --generate` makes.

/** The key of the audit log's chain. */
export const auditKeyName = 'audit-chain'

/** The key of the names that stand for clients with `usage.client_names: pseudonym`. */
export const pseudonymKeyName = 'client-pseudonyms'

/** What stores a secret, without the program's name. */
export function setCommandFor(name: string): string {
  const isGenerated = name === auditKeyName || name === pseudonymKeyName
  return `secret set ${name}${isGenerated ? ' --generate' : ''}`
}
