// Keeps over a restart what was found of the formats that providers speak: one small JSON file, replaced whole whenever
// something is found. It is a convenience: where it can't be read, providers are asked again.
import { isObject, membersOf } from '../bytes/json/parse.ts'
import { StateDocument, type StateDocumentParts } from '../platform/state-document.ts'
import type { FormatFinding, FormatFindings } from './format-findings.ts'

interface FormatsFileParts extends Pick<StateDocumentParts<FormatFindings>, 'directory' | 'onFault'> {
  readonly findings: () => FormatFindings
}

const version = 1

export class FormatsFile extends StateDocument<FormatFindings> {
  constructor({ findings, ...parts }: FormatsFileParts) {
    super({
      ...parts,
      name: 'formats.json',
      format: { current: version },
      content: findings,
      textOf: (found) => JSON.stringify({ version, providers: Object.fromEntries(found) }),
      contentOf: findingsOf,
    })
  }
}

/** The well-formed entries of a file. */
function findingsOf(value: unknown): FormatFindings {
  const { providers } = membersOf(value)
  const entries = Object.entries(membersOf(providers))
  return new Map(entries.filter((entry): entry is [string, FormatFinding] => isFinding(entry[1])))
}

function isFinding(value: unknown): value is FormatFinding {
  const { address, version: ofServer, foundAtMs, formats } = membersOf(value)
  const isVersion = ofServer === undefined || typeof ofServer === 'string'
  const isMap = isObject(formats) && Object.values(formats).every((each) => typeof each === 'boolean')
  return typeof address === 'string' && isVersion && typeof foundAtMs === 'number' && isMap
}
