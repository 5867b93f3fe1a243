// What the sections of the page are built of.
import type { ComponentChildren, VNode } from 'preact'
import { box, h } from './element.ts'
import type { Tone } from './format.ts'

/** A section with its heading, which the navigation leads to. @param note stands beside the heading. */
export function section(
  id: string,
  title: string,
  note: ComponentChildren,
  ...children: readonly ComponentChildren[]
): VNode {
  return h(
    'section',
    { id, 'aria-label': title },
    box('div', 'head', h('h2', null, title), note),
    ...children,
  )
}

/** Stands where a table has no rows. */
export function empty(...children: readonly ComponentChildren[]): VNode {
  return box('p', 'empty', ...children)
}

/** A state as a word, with its colour beside it. */
export function state(tone: Tone, words: string): VNode {
  return box('span', `state ${tone}`, words)
}

/** A text with a smaller one below it, whose whole the pointer shows. */
export function two(first: ComponentChildren, second: string | 0 | null): ComponentChildren {
  if (!second) return first
  return [h('div', null, first), h('small', { title: second }, second)]
}

/** Why something is so, and what to do about it. */
export function advice(why: string | null, fix: string | null): ComponentChildren {
  return [why && h('p', null, why), fix && h('p', null, h('strong', null, 'What to do: '), fix)]
}

export function code(text: string): VNode {
  return h('code', null, text)
}

export function button(words: string, onClick: () => void, attributes?: object): VNode {
  return h('button', { type: 'button', onClick, ...attributes }, words)
}

/**
 * The head of a column, how it looks (`n`: numbers; `m`, `l`: left out below medium and large widths), and a row's cell. The
 * first column of a table names the row.
 */
export type Column<Row> = readonly [head: string, look: string, cell: (row: Row) => ComponentChildren]

export interface Rows<Row> {
  readonly rows: readonly Row[]
  /** Keeps the state of a row, such as a button's, with it when others come and go. */
  readonly keyOf?: (row: Row) => string
  /** Stands below its row, across all columns; undefined: the row is closed. */
  readonly detail?: (row: Row) => VNode | undefined
}

/** A table that scrolls sideways within itself. */
export function table<Row>(
  caption: string,
  columns: readonly Column<Row>[],
  { rows, keyOf, detail }: Rows<Row>,
): VNode {
  const line = (row: Row) => {
    const key = keyOf?.(row)
    const more = detail?.(row)
    const cells = columns.map(([, look, cell], at) =>
      at === 0 ? h('th', { class: look, scope: 'row' }, cell(row)) : h('td', { class: look }, cell(row)),
    )
    return [
      h('tr', { key }, cells),
      more && h('tr', { key: `${key} more`, class: 'more' }, h('td', { colSpan: columns.length }, more)),
    ]
  }
  const heads = columns.map(([head, look]) => h('th', { class: look, scope: 'col' }, head))
  return h(
    'div',
    { class: 'scroll', role: 'region', 'aria-label': caption, tabIndex: 0 },
    h(
      'table',
      null,
      h('caption', null, caption),
      h('thead', null, h('tr', null, heads)),
      h('tbody', null, rows.flatMap(line)),
    ),
  )
}

/** A control and its name, in their order. @param look of both besides. */
export function field(first: ComponentChildren, second: ComponentChildren, look = ''): VNode {
  return h('label', { class: `field ${look}` }, first, second)
}

/** One of a few, as radio buttons in a row. @param name that no other choice has. */
export function choice<Value extends string>(
  name: string,
  options: Readonly<Record<Value, string>>,
  value: Value,
  onChoose: (value: Value) => void,
): VNode {
  return h(
    'fieldset',
    null,
    h('legend', null, name),
    (Object.keys(options) as Value[]).map((each) =>
      h(
        'label',
        { key: each },
        h('input', { type: 'radio', name, checked: each === value, onChange: () => onChoose(each) }),
        h('span', null, options[each]),
      ),
    ),
  )
}

/** Names and values in a row. Those without a value are left out. */
export function facts(...all: readonly (readonly [string, ComponentChildren])[]): VNode {
  const known = all.filter(([, value]) => value || value === 0)
  return h(
    'dl',
    { class: 'facts' },
    known.map(([name, value]) => h('div', { key: name }, h('dt', null, name), h('dd', null, value))),
  )
}
