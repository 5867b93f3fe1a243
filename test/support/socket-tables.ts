import type { OpenTable } from '../../src/server/peer/socket-table.ts'

export const tableHeader =
  '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n'

export interface RowParts {
  readonly number?: number
  readonly inode?: number
  readonly state?: string
}

/** A row as the kernel of a little-endian machine writes it. */
export function tableRow(local: string, remote: string, uid: number, parts: RowParts = {}): string {
  const { number = 3, inode = 4711, state = '01' } = parts
  const counters = '00000000:00000000 00:00000000 00000000'
  const start = `${String(number).padStart(4)}: ${local} ${remote} ${state} ${counters}`
  return `${start} ${String(uid).padStart(5)}        0 ${inode} 1 0000000000000000 20 4 30 10 -1\n`
}

/** A table that is read in these pieces; what begins with a piece is read with it. */
export function tableOf(...pieces: readonly string[]): OpenTable {
  return () => {
    const rest = pieces.filter((piece) => piece !== '')
    const read = (buffer: Buffer, at: number) =>
      Promise.resolve(buffer.write(rest.shift() ?? '', at, 'latin1'))
    return Promise.resolve({ read, close: () => {} })
  }
}
