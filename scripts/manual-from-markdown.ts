// Turns the Markdown that the pages of docs/ use into a manual page: headings, paragraphs, lists, tables and fenced code.
import { roff, roffInline } from './roff.ts'

/** @param markdown without a heading of the first level. */
export function manualFromMarkdown(markdown: string): string {
  return (
    blocksOf(markdown)
      .flatMap((block) => linesOf(block))
      // A heading begins a paragraph already.
      .filter((line, index, lines) => line !== '.PP' || (index > 0 && !/^\.S[HS] /.test(lines[index - 1]!)))
      .join('\n')
  )
}

/** Separated by blank lines, but those within fenced code. */
function blocksOf(markdown: string): string[] {
  return markdown
    .split(/(^```[^]*?^```$)/m)
    .flatMap((part) => (part.startsWith('```') ? [part] : part.split(/\n{2,}/)))
    .map((block) => block.replaceAll(/^\n+|\s+$/g, ''))
    .filter((block) => block !== '')
}

function linesOf(block: string): string[] {
  if (block.startsWith('```')) {
    const code = block.split('\n').slice(1, -1)
    return [
      '.PP',
      '.RS 4',
      '.nf',
      ...code.map((line) => (line === '' ? String.raw`\&` : roff(line))),
      '.fi',
      '.RE',
    ]
  }
  const [, marks, heading] = /^(##+) (.*)$/.exec(block) ?? []
  if (heading !== undefined) return [`${marks === '##' ? '.SH' : '.SS'} ${headingText(heading, marks!)}`]
  if (block.startsWith('|')) return tableLines(block)
  if (block.startsWith('- ')) return listLines(block)
  return ['.PP', ...roffInline(block).split('\n')]
}

function headingText(heading: string, marks: string): string {
  const text = heading.replaceAll('`', '')
  // A key of the file stays as it is written there.
  return roff(marks === '##' && /^[A-Z]/.test(text) ? text.toUpperCase() : text)
}

function listLines(block: string): string[] {
  return block
    .split(/^- /m)
    .filter((item) => item !== '')
    .flatMap((item) => [
      String.raw`.IP \(bu 2`,
      ...roffInline(item.trim().replaceAll(/\n\s+/g, '\n')).split('\n'),
    ])
}

/** Each row is an item: its first cell, the cells between with their headings, and the last one as its text. */
function tableLines(block: string): string[] {
  const [head = [], , ...rows] = block.split('\n').map((line) => cellsOf(line))
  return rows.flatMap((cells) => {
    const [first = '', ...rest] = cells
    const text = rest.at(-1) ?? ''
    const between = rest
      .slice(0, -1)
      .flatMap((cell, index) => (cell === '' ? [] : [`${nameOf(head[index + 1])}${cell}`]))
      .join(', ')
    const lines = [between === '' ? '' : `${between}.`, text].filter((each) => each !== '')
    return [
      '.TP',
      roffInline(first),
      ...(lines.length === 0 ? [String.raw`\&`] : lines.map((each) => roffInline(each))),
    ]
  })
}

/** The type of a value explains itself. */
function nameOf(heading: string | undefined): string {
  return heading === undefined || heading === 'type' ? '' : `${heading} `
}

function cellsOf(line: string): string[] {
  return line
    .replaceAll(/^\||\|$/g, '')
    .split(/(?<!\\)\|/)
    .map((cell) => cell.trim())
}
