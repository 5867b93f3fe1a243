// The entry point: runs the command in argv.
import { useCompileCache } from './cli/compile-cache.ts'

// A reader that closes the pipe early (`| head`) is not an error.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
  })
}

useCompileCache(process)
void import('./cli/program.ts').then(async ({ createProgram }) => {
  process.exitCode = await createProgram(process).run(process.argv.slice(2))
})
