// The licences of everything that a package contains: this program, the packages in its bundle, and Node.js.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

interface LockedPackage {
  readonly version: string
  readonly license?: string
  readonly dev?: boolean
}

/** The text of /usr/share/doc/llm-gateway/copyright. @throws when a bundled package has no licence. */
export function copyrightText(root: string, nodeLicence: string): string {
  const read = (path: string) => readFileSync(join(root, path), 'utf8').trim()
  const lock = JSON.parse(read('package-lock.json')) as {
    packages: Readonly<Record<string, LockedPackage>>
  }
  const bundled = Object.entries(lock.packages)
    .filter(([path, { dev }]) => path !== '' && dev !== true && !path.includes('/node-linux-'))
    .map(([path, { version, license }]) => {
      const text = licenceIn(join(root, path)) ?? license
      if (text === undefined) throw new Error(`${path} names no licence`)
      return { name: `${path.slice(path.lastIndexOf('node_modules/') + 13)} ${version}`, text }
    })
  const texts = Map.groupBy(bundled, ({ text }) => text)
  return [
    'llm-gateway',
    read('LICENSE'),
    'The files in /usr/lib/llm-gateway/dist/ also contain the following packages.',
    ...[...texts].flatMap(([text, packages]) => [packages.map(({ name }) => name).join(', '), text]),
    'Node.js, in /usr/lib/llm-gateway/node_modules/, with the libraries that are linked into it',
    readFileSync(nodeLicence, 'utf8').trim(),
    '',
  ].join(`\n\n${'-'.repeat(78)}\n\n`)
}

function licenceIn(folder: string): string | undefined {
  if (!existsSync(folder)) throw new Error(`${folder} is not installed; run: npm ci`)
  const files = readdirSync(folder).filter((file) => /^(licen[cs]e|copying|notice)/i.test(file))
  const texts = files.toSorted().map((file) => readFileSync(join(folder, file), 'utf8').trim())
  return texts.length === 0 ? undefined : texts.join('\n\n')
}
