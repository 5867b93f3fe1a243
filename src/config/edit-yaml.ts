// Changes of YAML files that are not the gateway's own: values are set, everything else and its comments stay.
import { isMap, isSeq, parseDocument } from 'yaml'

export interface YamlChange {
  readonly path: readonly string[]
  readonly value: unknown
  /** The value is an entry of the list at `path`, in place of the one that has the same text under this key. */
  readonly entryKey?: string
}

/** Undefined: the text is not one YAML document with a mapping, or the place of a value has another shape. */
export function editYaml(text: string, changes: readonly YamlChange[]): string | undefined {
  const document = parseDocument(text, { logLevel: 'error', prettyErrors: false })
  if (document.errors.length > 0) return undefined
  if (document.contents !== null && !isMap(document.contents)) return undefined
  for (const { path, value, entryKey } of changes) {
    if (entryKey === undefined) {
      document.setIn(path, value)
      continue
    }
    const list = document.getIn(path)
    if (list === undefined || list === null) {
      document.setIn(path, document.createNode([value]))
    } else if (isSeq(list)) {
      const name = (value as Readonly<Record<string, unknown>>)[entryKey]
      const index = list.items.findIndex((item) => isMap(item) && item.get(entryKey) === name)
      document.setIn([...path, index < 0 ? list.items.length : index], document.createNode(value))
    } else {
      return undefined
    }
  }
  return document.toString({ lineWidth: 0 })
}
