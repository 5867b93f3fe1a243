// A table as commands print it: columns as wide as their widest cell, the head in bold.
import { displayWidth, type Output } from './output.ts'

interface Table {
  readonly head: readonly string[]
  /** Cells that are fit to be printed. */
  readonly rows: readonly (readonly string[])[]
  /** In bold. */
  readonly foot?: readonly string[]
  /** Columns from this one on are aligned at their right. Absent: none. */
  readonly numbersFrom?: number
}

export function printTable(out: Output, table: Table): void {
  const [head, ...rows] = tableLines(table)
  const foot = table.foot === undefined ? undefined : rows.pop()
  out.line(out.styled('bold', head!))
  for (const row of rows) out.line(row)
  if (foot !== undefined) out.line(out.styled('bold', foot))
}

/** The head, the rows and the foot. */
export function tableLines({ head, rows, foot, numbersFrom = Infinity }: Table): string[] {
  const all = [head, ...rows, ...(foot === undefined ? [] : [foot])]
  const widths = head.map((_, column) => Math.max(...all.map((row) => displayWidth(row[column]!))))
  const line = (row: readonly string[]) =>
    row
      .map((cell, column) => {
        const padding = ' '.repeat(widths[column]! - displayWidth(cell))
        return column < numbersFrom ? cell + padding : padding + cell
      })
      .join('  ')
      .trimEnd()
  return all.map(line)
}
