// The software bill of materials (CycloneDX), as npm makes it of the lock file, without what differs from run to run.
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { SourceState } from './source-state.ts'

interface Sbom {
  serialNumber: string
  readonly metadata: { timestamp: string; readonly component: { name: string; readonly 'bom-ref': string } }
  components: readonly { readonly name: string; readonly version: string; readonly 'bom-ref': string }[]
  dependencies: readonly { readonly ref: string; readonly dependsOn: readonly string[] }[]
}

/** Of the packages in the bundle, and of Node.js for both processors. */
export function sbomText(root: string, { version, epochSeconds }: SourceState): string {
  const options = ['sbom', '--sbom-format', 'cyclonedx', '--package-lock-only']
  const text = execFileSync('npm', options, { cwd: root, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 })
  const sbom = JSON.parse(text) as Sbom
  keepPackaged(sbom, packagedIn(root))
  sbom.metadata.timestamp = new Date(epochSeconds * 1000).toISOString()
  // npm names it after the folder.
  sbom.metadata.component.name = 'llm-gateway'
  sbom.serialNumber = ''
  const hash = createHash('sha256')
    .update(`${version}\0${JSON.stringify(sbom)}`)
    .digest('hex')
  // A UUID of version 8 (RFC 9562, section 5.8): its bits are those of the hash.
  const [, a, b, c, d, e] = /^(.{8})(.{4})(.{3})(.{3})(.{12})/.exec(hash)!
  sbom.serialNumber = `urn:uuid:${a}-${b}-8${c}-8${d}-${e}`
  return `${JSON.stringify(sbom, undefined, 2)}\n`
}

/** `NAME@VERSION` of every package that is more than a tool of the development, by the lock file. */
function packagedIn(root: string): ReadonlySet<string> {
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
    readonly packages: Readonly<Record<string, { readonly version: string; readonly dev?: boolean }>>
  }
  const packaged = Object.entries(lock.packages).filter(([path, { dev }]) => path !== '' && dev !== true)
  return new Set(
    packaged.map(([path, each]) => `${path.slice(path.lastIndexOf('node_modules/') + 13)}@${each.version}`),
  )
}

/** npm's own `--omit dev` also leaves out packages that development tools depend on as well. */
function keepPackaged(sbom: Sbom, packaged: ReadonlySet<string>): void {
  sbom.components = sbom.components.filter(({ name, version }) => packaged.has(`${name}@${version}`))
  const refs = new Set([
    sbom.metadata.component['bom-ref'],
    ...sbom.components.map((component) => component['bom-ref']),
  ])
  sbom.dependencies = sbom.dependencies
    .filter(({ ref }) => refs.has(ref))
    .map((each) => ({ ...each, dependsOn: each.dependsOn.filter((ref) => refs.has(ref)) }))
}
