// A draft as the text of a configuration file: what was carried, with comments above it for what was changed or left out.
import { formatPath } from '../../platform/key-path.ts'
import { type PlacedComment, writeCommentedYaml, yamlLines } from '../../config/commented-yaml.ts'
import type { Path } from '../../config/problems.ts'
import { packagePath } from '../../platform/package.ts'
import { looksLikeCredential, withoutCredentials } from './credentials.ts'
import type { Draft, Note } from './draft.ts'
import type { Withheld } from './withheld.ts'

const maxStepLength = 80

/** A key path of the foreign file. Keys that look like credentials, or are no words at all, are not repeated. */
export function foreignPath(path: Path, withheld: Withheld): string {
  const steps = path.map((step) => {
    if (typeof step === 'number') return step
    return looksLikeCredential(step) || step.length > maxStepLength ? '…' : withoutCredentials(step, withheld)
  })
  return formatPath(steps)
}

/** One line for a note. */
export function noteText({ kind, from, to, text }: Note, withheld: Withheld): string {
  // What our own checks refuse has a path in our file alone.
  const path = foreignPath(from.length === 0 ? (to ?? []) : from, withheld)
  const word = { carried: 'from', changed: 'changed:', left_out: 'left out:' }[kind]
  return [word, path, text === '' || path === '' ? text : `(${text})`].filter((part) => part !== '').join(' ')
}

/** @param title what was imported, without the name of the file. */
export function writeDraft(draft: Draft, title: string): string {
  const { withheld } = draft
  const placed: PlacedComment[] = []
  const rest: string[] = []
  for (const note of draft.notes) {
    const line = noteText(note, withheld)
    if (note.to === undefined) rest.push(line)
    else placed.push({ path: note.to, lines: [line] })
  }
  for (const [name, service] of draft.services) {
    placed.push({
      path: ['providers', name],
      lines: [
        'the command of its server, to be added below; or import again with --with-commands:',
        ...yamlLines({ service }),
      ],
    })
  }
  const head = [
    `yaml-language-server: $schema=${packagePath('config/llm-gateway.schema.json')}`,
    '',
    `Imported from ${title} by llm-gateway import. Comments name the keys of that file.`,
    'Check changes with llm-gateway validate-config; docs/config.md explains every key.',
  ]
  const config = inOrder(draft.config)
  const first = writeCommentedYaml(config, placed, { head, tail: [] })
  const unplaced = first.unplaced.flatMap(({ lines }) => lines)
  const groups =
    Object.keys(draft.groups).length === 0
      ? []
      : [
          'groups of the servers above, once they have their commands:',
          ...yamlLines({ services: { groups: draft.groups } }),
          '',
        ]
  const others = [...rest, ...unplaced]
  const tail = [...groups, ...(others.length === 0 ? [] : ['Not here:', ...others])]
  return tail.length === 0 ? first.text : writeCommentedYaml(config, placed, { head, tail }).text
}

const order = [
  'server',
  'access',
  'keys',
  'rate_limit_settings',
  'providers',
  'services',
  'models',
  'routing',
  'budgets',
  'logging',
]

/** Sections as the shipped file has them. */
function inOrder(config: object): object {
  const place = (key: string) => (order.includes(key) ? order.indexOf(key) : order.length)
  return Object.fromEntries(Object.entries(config).toSorted(([one], [other]) => place(one) - place(other)))
}
