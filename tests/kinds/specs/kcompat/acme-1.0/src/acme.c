#include <linux/module.h>
#include "kcompat_generated_defs.h"
#ifdef HAVE_NEVER
#error there is no such function
#endif
MODULE_LICENSE("GPL");
