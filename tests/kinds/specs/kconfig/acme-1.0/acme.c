#include <linux/module.h>
#ifndef ACME_DCB
#error KCFLAGS are lost
#endif
MODULE_VERSION(ACME_TEXT);
MODULE_LICENSE("GPL");
