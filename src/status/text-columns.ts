/** A table as lines, indented: the names of its columns, then its rows. */
export function columns(names: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const all = [names, ...rows]
  const widths = names.map((_, index) => Math.max(...all.map((row) => row[index]!.length)))
  return all.map((row) => `  ${row.map((cell, index) => cell.padEnd(widths[index]!)).join('  ')}`.trimEnd())
}
