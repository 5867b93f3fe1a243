// What an error of SQLite means for the ledger (sqlite.org/rescode.html). An extended code has the primary one in its low byte.

const [corrupt, notADatabase] = [11, 26]
const full = 13

/** Undefined for what is not an error of SQLite. */
function primaryCode(error: unknown): number | undefined {
  const { errcode } = error as { errcode?: unknown }
  return typeof errcode === 'number' ? errcode & 0xff : undefined
}

/** Whether the file itself is damaged: another try would find the same. */
export function isDamage(error: unknown): boolean {
  const code = primaryCode(error)
  return code === corrupt || code === notADatabase
}

export function isFull(error: unknown): boolean {
  return primaryCode(error) === full || (error as NodeJS.ErrnoException).code === 'ENOSPC'
}
