// What the sections of the page are built of.
import type { ComponentChildren, VNode } from 'preact'
import { box, h } from './element.ts'
import { none } from './format.ts'
import { toneOf, wordsOf } from './words.ts'

/** A section with its heading, which the navigation leads to. @param note stands beside the heading. */
export function section(
  id: string,
  title: string,
  note: ComponentChildren,
  ...children: readonly ComponentChildren[]
): VNode {
  return h(
    'section',
    { id, 'aria-label': title, tabIndex: -1 },
    box('div', 'head', h('h2', null, title), note),
    ...children,
  )
}

/** Stands where there is nothing to show. */
export function empty(...children: readonly ComponentChildren[]): VNode {
  return box('p', 'empty', ...children)
}

/** Small print. */
export function quiet(...children: readonly ComponentChildren[]): VNode {
  return box('p', 'quiet', ...children)
}

/** A state as a word, with its colour beside it. @param name of `words.ts`, or a tone. */
export function state(name: string, words = wordsOf(name)): VNode {
  return box('span', `state ${toneOf(name)}`, words)
}

/** A text with a smaller one below it, whose whole the pointer shows. */
export function two(first: ComponentChildren, second: string | 0 | false | null): ComponentChildren {
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

export function button(words: string, onClick: (event: MouseEvent) => void, attributes?: object): VNode {
  return h('button', { type: 'button', onClick, ...attributes }, words)
}

/**
 * The head of a column, how it looks (`n`: numbers; `m`, `l`: left out below medium and large widths), and what it has of a
 * row: a member as it is or in a format, or whatever a function makes. The first column of a table names the row.
 */
export type Column<Row> =
  | readonly [head: string, look: string, cell: (row: Row) => ComponentChildren]
  | {
      [Member in keyof Row]: readonly [
        head: string,
        look: string,
        member: Member,
        format?: (value: Row[Member]) => ComponentChildren,
      ]
    }[keyof Row]

export function cellOf<Row>([, , of, format]: Column<Row>, row: Row): ComponentChildren {
  const value = typeof of === 'function' ? of(row) : row[of]
  return (format ? format(value as Row[keyof Row]) : (value as ComponentChildren)) ?? none
}

/**
 * A table that scrolls sideways within itself; nothing where it has no rows. Rows with an `id` keep what is in them, such as
 * a button's state, when others come and go. @param below what stands below a row across all columns, if anything.
 */
export function table<Row extends object>(
  caption: string,
  rows: readonly Row[],
  columns: readonly Column<Row>[],
  below?: (row: Row) => ComponentChildren,
): VNode | false {
  const line = (row: Row) => {
    const { id } = row as { readonly id?: string }
    const more = below?.(row)
    const cells = columns.map((column, at) =>
      h(at ? 'td' : 'th', { class: column[1], scope: at ? undefined : 'row' }, cellOf(column, row)),
    )
    return [
      h('tr', { key: id }, cells),
      more && h('tr', { key: `${id} more`, class: 'more' }, h('td', { colSpan: columns.length }, more)),
    ]
  }
  return (
    rows.length > 0 &&
    h(
      'div',
      { class: 'scroll', role: 'region', 'aria-label': caption, tabIndex: 0 },
      h(
        'table',
        null,
        h('caption', null, caption),
        h(
          'thead',
          null,
          h(
            'tr',
            null,
            columns.map(([head, look]) => h('th', { class: look, scope: 'col' }, head)),
          ),
        ),
        h('tbody', null, rows.flatMap(line)),
      ),
    )
  )
}

/** A control and its name, in their order. @param look of both besides. */
export function field(first: ComponentChildren, second: ComponentChildren, look = ''): VNode {
  return h('label', { class: `field ${look}` }, first, second)
}

/** Controls in a row, whose values are sent together. */
export function form(
  onSend: (values: FormData, sent: HTMLFormElement) => void,
  ...children: readonly ComponentChildren[]
): VNode {
  return h(
    'form',
    {
      class: 'bar',
      onSubmit: (event) => {
        event.preventDefault()
        onSend(new FormData(event.currentTarget), event.currentTarget)
      },
    },
    ...children,
  )
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
  const known = all.filter(([, value]) => value && value !== none)
  return h(
    'dl',
    { class: 'facts' },
    known.map(([name, value]) => h('div', { key: name }, h('dt', null, name), h('dd', null, value))),
  )
}
