/** fit demo: a whole trade, shown by programs as real as everyone's. */
import type { Context } from '../context.ts';

export async function demo(context: Context, options: { readonly keep?: string }): Promise<number | undefined> {
  const { runDemo } = await import('../commands/demo.ts');
  return runDemo({ json: context.out.isJson, ...(options.keep === undefined ? {} : { keep: options.keep }) });
}
