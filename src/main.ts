// argv → one command.
import { useCompileCache } from './cli/compile-cache.ts'

// A reader that has seen enough (`| head`) is no fault.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
  })
}

useCompileCache(process)
void import('./cli/program.ts').then(async ({ createProgram }) => {
  process.exitCode = await createProgram(process).run(process.argv.slice(2))
})
